-- The oldest item of a set that may be claimed: nobody of the set may pass it, whichever worker has its hands on it.
create index item_ready_set on shop_update.item (product_set_id, id) where lane = 'ready';

-- When the item last absorbed a change: one that an admin discards may have taken up what the Shop has never been told.
alter table shop_update.item add column absorbed_at timestamptz;
