-- One that is moved on while its items are just being taken along waits for that: doing nothing would not, and the second move would be noted nowhere.
create or replace function shop_update.note_moved_product() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.catalog_change as c (product_id, product_set_id, moved) values (old.id, old.product_set_id, true)
  on conflict (product_id) where moved do update set at = c.at;
  return null;
end $$;
