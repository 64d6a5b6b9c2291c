-- no transaction
create index concurrently item_paused on shop_update.item (id) where lane = 'paused';
