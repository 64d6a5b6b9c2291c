-- The rules that many statements ask for, each in one place. Over columns, one expression each, no SET, not as the owner:
-- PostgreSQL puts the expression where the call stands, so that a call costs nothing and an index on its expression is
-- used. Other functions call them, so worker/migrate.ts applies this file first.

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
