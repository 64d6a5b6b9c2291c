-- The rules that many statements use, each in one place. A function of columns only, one expression, no SET, not as the
-- owner: PostgreSQL inlines such a call, so it costs nothing, and an index on its expression is used. Other functions
-- call them, so worker/migrate.ts applies this file first.

-- The topics whose call creates a product in the Shop; also in worker/domain/topics.ts. The index item_behind is
-- ordered by it, and the triggers owe_release (migration 22) spell it out.
create or replace function shop_update.creates(topic shop_update.topic) returns boolean
language sql immutable parallel safe
return topic in ('new_product_set', 'new_product');

-- The time of a step: now, but always later than the previous status. The history is read in order of time, and the
-- statement may have begun while the item was still on its way to its present status.
create or replace function shop_update.later(status_at timestamptz, at timestamptz default now()) returns timestamptz
language sql stable parallel safe
return greatest(at, status_at + interval '1 microsecond');

-- Time in the worker's unit (`Micros`).
create or replace function shop_update.micros(at timestamptz) returns double precision
language sql stable parallel safe
return round(date_part('epoch', at) * 1000000);

-- An item that is Blocked for this reason stays until an admin decides (worker/domain/reasons.ts, `ADMIN_RESOLVES`).
-- The index item_to_resolve has those items.
create or replace function shop_update.needs_admin(reason text) returns boolean
language sql immutable parallel safe
return reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome');

-- Whether a create that is in the queue and not in flight, with this lane, reason and product (null: the whole set),
-- keeps an item of its set waiting. It keeps every update waiting, but another create only while both may create the
-- same product.
create or replace function shop_update.keeps_waiting(
  lane shop_update.lane, reason text, created_id bigint, topic shop_update.topic, product_id bigint
) returns boolean
language sql immutable parallel safe
return not shop_update.creates(topic)
  or (lane = 'awaiting' or lane = 'blocked' and shop_update.needs_admin(reason))
    and (created_id is null or product_id is null or created_id = product_id);

-- Whether the Shop has what an item that is Blocked until something is created needs: an update the ids of its product
-- and set, the create of a variation that of its set. What else is being created may still keep it waiting.
create or replace function shop_update.has_what_it_awaits(
  topic shop_update.topic, reason text, product_id bigint, set_src_id text, src_id text, shop_sku text
) returns boolean
language sql immutable parallel safe
return case
  when shop_update.creates(topic) then topic <> 'new_product' or reason <> 'not_in_shop' or set_src_id is not null
  else set_src_id is not null and (product_id is null or src_id is not null and shop_sku is not null) end;

-- Whether an item with this lane, time, topic and id goes before the item of `of_topic` and `of_id` in its set although
-- it is Delayed or Failed: it has the same topic, was queued earlier, and will be retried (decision 7).
create or replace function shop_update.goes_before(
  lane shop_update.lane, run_at timestamptz, topic shop_update.topic, id bigint,
  of_topic shop_update.topic, of_id bigint
) returns boolean
language sql immutable parallel safe
return lane = 'delayed' and topic = of_topic and id < of_id and run_at < 'infinity';

-- Whether a pause is in force now.
create or replace function shop_update.in_force(
  from_at timestamptz, until_at timestamptz, ends_itself boolean, ended_at timestamptz
) returns boolean
language sql stable parallel safe
return ended_at is null and from_at <= now() and (until_at > now() or not ends_itself);

-- What tells causes apart (worker/domain/cause.ts).
create or replace function shop_update.cause_id(reason text, method text, http int, pattern text) returns bigint
language sql immutable parallel safe
return hashtextextended(
  coalesce(reason, '') || E'\n' || coalesce(method, '') || E'\n' || coalesce(http::text, '') || E'\n' ||
    coalesce(pattern, ''), 0);
