-- Why items are Delayed, Failed or Blocked, told apart by what does not vary from one to the next (worker/domain/cause.ts). The counts come
-- from deltas, like all counts. An item of before has none until it fails again.
create table shop_update.cause (
  id bigint primary key,                    -- shop_update.cause_id()
  reason text not null,
  method text,                              -- of the Shop
  http_status smallint,
  pattern text not null,                    -- the message without what varies
  example text,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now()
);
create table shop_update.cause_count (
  cause_id bigint,
  status shop_update.status,
  n bigint not null,
  primary key (cause_id, status)
) with (fillfactor = 50);
create table shop_update.cause_hour (
  hour timestamptz,                         -- in which items came to it
  cause_id bigint,
  n bigint not null,
  primary key (hour, cause_id)
);
alter table shop_update.item add column cause_id bigint;
alter table shop_update.delta add column cause_id bigint;
