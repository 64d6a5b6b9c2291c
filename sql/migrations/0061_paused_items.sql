-- no transaction
create index concurrently item_paused on shop_update.item (topic, id) where lane = 'paused';
