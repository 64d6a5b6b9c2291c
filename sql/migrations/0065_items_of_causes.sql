-- no transaction
create index concurrently item_cause on shop_update.item (cause_id, id) where cause_id is not null;
create index concurrently item_cause_seller on shop_update.item (cause_id, seller_id) where cause_id is not null;
