-- Feedback to Seller Center: per product the state that its own page can show a seller (docs/decisions.md, decision 29).
-- Whatever may change a product's state notes it here in the same transaction, and the leader publishes what has become of it.
create table shop_update.touched (
  product_id bigint,
  product_set_id bigint,                    -- without a product: all of this set
  seller_id bigint,                         -- all sets of this seller after product_set_id
  at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- No index and no key: nobody waits for the transaction of another, and a note costs as little as can be. It is read along the table.

-- What has been published of each product. A row that changes takes the next position, so reading on by position misses none.
create table shop_update.feedback (
  product_id bigint primary key,
  position bigint not null,
  state text not null,
  who_acts text not null,
  since timestamptz,
  expected_at timestamptz,
  shown boolean not null default true,      -- its seller and itself are active, and it is approved: the sentence depends on it
  deleted boolean not null default false,   -- the product no longer exists
  published_at timestamptz not null default now()
);
create unique index feedback_position on shop_update.feedback (position);

-- Whoever publishes holds this row until the commit: positions are in the order of commits.
create table shop_update.feedback_head (
  one boolean primary key default true check (one),
  position bigint not null default 0,       -- the last one that was given
  epoch text not null default '',           -- of which database the positions are: restored, it has another
  salt uuid not null default gen_random_uuid(), -- part of the epoch that an operator may change
  looked_to bigint not null default 0       -- up to this product the leader has compared what is published with what is so
) with (fillfactor = 50);
insert into shop_update.feedback_head default values;

-- They write with the rights of their owner: whoever keeps the catalogue needs none on the queue for it.
create function shop_update.touch_seller() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.touched (seller_id, product_set_id) values (new.id, 0);
  return null;
end $$;
create function shop_update.touch_set() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.touched (product_set_id) values (new.id);
  return null;
end $$;
create function shop_update.touch_product() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.touched (product_id) values (new.id);
  return null;
end $$;
create function shop_update.touch_new_products() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into shop_update.touched (product_id) select id from added;
  return null;
end $$;

create trigger shop_update_touched after update of active on catalog.seller
  for each row when (old.active is distinct from new.active) execute function shop_update.touch_seller();
