-- Sets in which something that is Blocked may have to be released: noted in the transaction that makes it so, whoever's that is, and worked off by
-- whoever comes first, the worker that has just committed or the leader. So nothing that is Blocked has to be looked at again and again.
create table shop_update.owed_release (
  product_set_id bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- Not unique: nobody waits for the transaction of another that notes the same set.
create index owed_release_set on shop_update.owed_release (product_set_id);

-- They write with the rights of their owner: whoever keeps the catalogue needs none on the queue for it.
create function shop_update.owe_release_in_set() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.owed_release (product_set_id) values (new.id);
  return null;
end $$;
create function shop_update.owe_release() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.owed_release (product_set_id) values (coalesce(new.product_set_id, old.product_set_id));
  return null;
end $$;

-- Only where an id comes that was not there, from an admin, an import or an answer: a change of prices or stock costs nothing.
create trigger shop_update_in_shop after update of src_id on catalog.product_set
  for each row when (old.src_id is null and new.src_id is not null) execute function shop_update.owe_release_in_set();
create trigger shop_update_in_shop after update of src_id, shop_sku on catalog.product
  for each row when (old.src_id is null and new.src_id is not null or old.shop_sku is null and new.shop_sku is not null)
  execute function shop_update.owe_release();
