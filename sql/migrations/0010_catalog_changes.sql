-- Products and sets that have been deleted, and products that have been moved to another set, while something of them may be in the queue. Seller
-- Center's transaction only notes it here; the leader ends the items of the one and takes along those of the other, as soon as none is in flight.
create table shop_update.catalog_change (
  id bigint generated always as identity primary key,
  product_id bigint,                        -- null: the set itself
  product_set_id bigint not null,           -- in which the product was
  moved boolean not null,                   -- else deleted
  at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- Until its items have been taken along, what is queued for a moved product goes to its old set: one call of a product at a time.
create unique index catalog_change_moved on shop_update.catalog_change (product_id) where moved;

-- They write with the rights of their owner: whoever keeps the catalogue needs none on the queue for it.
create function shop_update.note_deleted_products() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.catalog_change (product_id, product_set_id, moved) select id, product_set_id, false from gone order by id;
  return null;
end $$;
create function shop_update.note_deleted_sets() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.catalog_change (product_set_id, moved) select id, false from gone order by id;
  return null;
end $$;
create function shop_update.note_moved_product() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.catalog_change (product_id, product_set_id, moved) values (old.id, old.product_set_id, true)
  on conflict (product_id) where moved do nothing;
  return null;
end $$;

create trigger shop_update_deleted after delete on catalog.product
  referencing old table as gone for each statement execute function shop_update.note_deleted_products();
create trigger shop_update_deleted after delete on catalog.product_set
  referencing old table as gone for each statement execute function shop_update.note_deleted_sets();
create trigger shop_update_moved after update of product_set_id on catalog.product
  for each row when (old.product_set_id is distinct from new.product_set_id) execute function shop_update.note_moved_product();
