-- A delta that has been folded is gone for whoever comes later, but lies in the table until nobody can see it any more: while a dump keeps its
-- snapshot, whoever reads the numbers walked over all that has been folded since. Each delta knows its transaction, and all of those that
-- were older than `up_to` have been folded: one look at the index leads past them.
alter table shop_update.delta add column xact xid8 not null default '0'; -- a constant: nothing is rewritten
alter table shop_update.delta alter column xact set default pg_current_xact_id();
create index delta_xact on shop_update.delta (xact);

create table shop_update.folded (
  one boolean primary key default true check (one),
  up_to xid8 not null,                      -- every transaction before this one has ended, and its deltas have been folded
  -- Of which run of the server this is true: numbers of transactions begin anew where a dump is restored.
  server_started_at timestamptz not null
) with (fillfactor = 50);
insert into shop_update.folded (up_to, server_started_at) values ('0', pg_postmaster_start_time());
