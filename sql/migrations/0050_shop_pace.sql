-- What the workers know together of a Shop that has said "wait" (decision 21). One row; while `busy_since` is null nobody looks at the rest.
create table shop_update.shop_pace (
  one boolean primary key default true check (one),
  busy_since timestamptz,
  refused_at timestamptz not null default 'epoch',     -- when the pace was cut last; from then on it grows
  per_second double precision not null default 1,      -- calls that the Shop took then
  wait_until timestamptz not null default 'epoch',     -- Retry-After: until then nothing leaves
  spent_until timestamptz not null default 'epoch'     -- up to when the calls have been given out
) with (fillfactor = 50);
insert into shop_update.shop_pace default values;

-- How many calls a worker has on their way, and may have: told with its heartbeat.
alter table shop_update.worker add column calls int, add column calls_limit int;
