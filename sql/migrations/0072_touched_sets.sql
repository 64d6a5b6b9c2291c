create trigger shop_update_touched after update of seller_id on catalog.product_set
  for each row when (old.seller_id is distinct from new.seller_id) execute function shop_update.touch_set();

create function shop_update.note_id_of_set() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if new.src_id is not null then
    insert into shop_update.owed_release (product_set_id) values (new.id);
  end if;
  insert into shop_update.touched (product_set_id) values (new.id);
  return null;
end $$;
create or replace trigger shop_update_in_shop after update of src_id on catalog.product_set
  for each row when ((old.src_id is null) <> (new.src_id is null)) execute function shop_update.note_id_of_set();
