-- A product that is moved on while its items are being taken along may have items in the set in between as well: those
-- that were not locked just then. The note keeps the first set; the one in between gets a note of its own (of a product
-- that exists, so it is none of a deletion), which is followed after the first.
create or replace function shop_update.note_moved_product() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  first_set bigint;
begin
  insert into shop_update.catalog_change as c (product_id, product_set_id, moved)
  values (old.id, old.product_set_id, true)
  on conflict (product_id) where moved do update set at = c.at
  returning c.product_set_id into first_set;
  if first_set <> old.product_set_id then
    insert into shop_update.catalog_change (product_id, product_set_id, moved)
    values (old.id, old.product_set_id, false);
  end if;
  return null;
end $$;
