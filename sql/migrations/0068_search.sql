-- no transaction
-- The extension may have been there, in a schema of its own.
select set_config('search_path', current_setting('search_path') || (
  select ', ' || quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'pg_trgm'), false);
create index concurrently product_words on catalog.product using gin (
  lower(seller_sku || E'\n' || coalesce(shop_sku, '') || E'\n' || coalesce(title, '')) gin_trgm_ops);
-- whole SKUs in any case
create index concurrently product_seller_sku_any on catalog.product (lower(seller_sku));
create index concurrently product_shop_sku_any on catalog.product (lower(shop_sku)) where shop_sku is not null;
create index concurrently product_set_words on catalog.product_set using gin (
  lower(coalesce(handle, '') || E'\n' || coalesce(title, '')) gin_trgm_ops);
reset search_path;
-- Without statistics on their expressions PostgreSQL takes a fragment for common, and reads the whole catalogue.
analyze catalog.product;
analyze catalog.product_set;
