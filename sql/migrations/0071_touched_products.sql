-- What of a product its state depends on. A change of prices or stock costs nothing.
create trigger shop_update_touched after update of active, qc_status, product_set_id on catalog.product
  for each row when ((old.active, old.qc_status, old.product_set_id) is distinct from (new.active, new.qc_status, new.product_set_id))
  execute function shop_update.touch_product();
create trigger shop_update_added after insert on catalog.product
  referencing new table as added for each statement execute function shop_update.touch_new_products();

create or replace function shop_update.note_deleted_products() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.catalog_change (product_id, product_set_id, moved) select id, product_set_id, false from gone order by id;
  insert into shop_update.touched (product_id) select id from gone;
  return null;
end $$;

-- Where an id comes that was not there, or goes: one trigger for both notes, since each costs every answer its condition.
create function shop_update.note_ids_of_product() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  -- only what has come lets anything go
  if old.src_id is null and new.src_id is not null or old.shop_sku is null and new.shop_sku is not null then
    insert into shop_update.owed_release (product_set_id) values (new.product_set_id);
  end if;
  insert into shop_update.touched (product_id) values (new.id);
  return null;
end $$;
create or replace trigger shop_update_in_shop after update of src_id, shop_sku on catalog.product
  for each row when ((old.src_id is null) <> (new.src_id is null) or (old.shop_sku is null) <> (new.shop_sku is null))
  execute function shop_update.note_ids_of_product();
