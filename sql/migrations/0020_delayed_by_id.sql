-- no transaction
-- Whether an older item holds one back is found by its id. Without that all that wait of its set and topic were looked through for each: 5,000
-- stock changes of one set that came due kept everybody else waiting.
create index concurrently item_holding on shop_update.item (product_set_id, topic, id) where lane = 'delayed';
drop index concurrently if exists shop_update.item_delayed;
