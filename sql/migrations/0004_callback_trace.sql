-- A callback is a trace of its own, and whichever worker gives it to its item goes on in that.
alter table shop_update.callback add column trace_id text;
