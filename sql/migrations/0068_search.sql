-- no transaction
create index concurrently product_words on catalog.product using gin (
  lower(seller_sku || E'\n' || coalesce(shop_sku, '') || E'\n' || coalesce(title, '')) gin_trgm_ops);
create index concurrently product_set_words on catalog.product_set using gin (
  lower(coalesce(handle, '') || E'\n' || coalesce(title, '')) gin_trgm_ops);
