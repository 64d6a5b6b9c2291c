-- Sending that people have paused (decision 26): everything, a topic, or a seller.
create table shop_update.pause (
  id bigint generated always as identity primary key,
  topic shop_update.topic,
  seller_id bigint,                         -- neither topic nor seller: everything
  from_at timestamptz not null,
  until_at timestamptz not null,            -- the planned end
  ends_itself boolean not null,             -- at the planned end; else a person ends it
  reason text not null,
  created_at timestamptz not null default now(),
  created_by text not null,
  ended_at timestamptz,                     -- null: in force, or planned
  ended_by text,                            -- null: it ended by itself
  check (topic is null or seller_id is null),
  check (from_at < until_at)
);
create index pause_open on shop_update.pause (id) where ended_at is null;
create index pause_ended on shop_update.pause (ended_at);

-- An item of a paused topic that a claim has met: out of the claim's index, so that it is met once. Its status stays.
alter type shop_update.lane add value 'paused';
