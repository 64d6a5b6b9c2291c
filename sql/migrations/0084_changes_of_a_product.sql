-- no transaction
-- What is noted of one product, for each that has been moved (worker/queue/catalog-changes.ts).
create index concurrently catalog_change_of_product on shop_update.catalog_change (product_id) where not moved;
