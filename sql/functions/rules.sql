-- The rules that many statements ask for, each in one place. Over columns, one expression each, no SET, not as the
-- owner: PostgreSQL puts the expression where the call stands, so that a call costs nothing and an index on its
-- expression is used. Other functions call them, so worker/migrate.ts applies this file first.

-- The topics whose call makes a product in the Shop; worker/domain/topics.ts has it too. The index item_behind is
-- ordered by it.
create or replace function shop_update.creates(topic shop_update.topic) returns boolean
language sql immutable parallel safe
return topic in ('new_product_set', 'new_product');

-- The time of a step: now, but always later than the status before. The history is read in the order of its times, and
-- the statement may have begun while the item was still on its way to where it is.
create or replace function shop_update.later(status_at timestamptz, at timestamptz default now()) returns timestamptz
language sql stable parallel safe
return greatest(at, status_at + interval '1 microsecond');

-- As the worker counts time (`Micros`).
create or replace function shop_update.micros(at timestamptz) returns double precision
language sql stable parallel safe
return round(date_part('epoch', at) * 1000000);

-- Blocked for this reason, an item stays until an admin decides (worker/domain/reasons.ts, `ADMIN_RESOLVES`). The index
-- item_to_resolve is of those.
create or replace function shop_update.needs_admin(reason text) returns boolean
language sql immutable parallel safe
return reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome');

-- Whether a create that is in the queue and not in flight, and has that lane, reason and product (null: all of its
-- set), keeps an item of its set waiting: every update, but another create only while it may have made the same
-- product.
create or replace function shop_update.keeps_waiting(
  lane shop_update.lane, reason text, created_id bigint, topic shop_update.topic, product_id bigint
) returns boolean
language sql immutable parallel safe
return not shop_update.creates(topic)
  or (lane = 'awaiting' or lane = 'blocked' and shop_update.needs_admin(reason))
    and (created_id is null or product_id is null or created_id = product_id);

-- Whether an item with that lane, time, topic and id goes before the item of `of_topic` and `of_id` in its set, though
-- it is Delayed or Failed: one of the same topic that was queued before it and is tried again (decision 7).
create or replace function shop_update.goes_before(
  lane shop_update.lane, run_at timestamptz, topic shop_update.topic, id bigint,
  of_topic shop_update.topic, of_id bigint
) returns boolean
language sql immutable parallel safe
return lane = 'delayed' and topic = of_topic and id < of_id and run_at < 'infinity';
