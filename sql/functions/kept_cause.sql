-- The cause that an item is counted under. Some thousand are kept apart: where the Shop's messages have something in
-- them that varies and that nobody takes out, the rest of a reason is one.
create or replace function shop_update.kept_cause(reason text, method text, http int, pattern text) returns bigint
language sql stable parallel safe as $$
  select case
    when exists (select from shop_update.cause c where c.id = its.id)
      or (select count(*) from shop_update.cause) < 3000 then its.id
    else shop_update.cause_id(reason, null, null, '…') end
  from (select shop_update.cause_id(reason, method, http, pattern) as id) its
$$;
