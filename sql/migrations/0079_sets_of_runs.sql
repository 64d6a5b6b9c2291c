-- no transaction
-- A product set whose items are taken in several parts of a run counts once.
create index concurrently run_item_set on shop_update.run_item (run_id, product_set_id) where product_set_id is not null;
