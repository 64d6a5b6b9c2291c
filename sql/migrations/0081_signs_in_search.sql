-- no transaction
-- For pg_trgm any sign is the end of a word, whichever it is: of "black§" it knows that black ends there, and an eighth of a million
-- products were read, each to find that the sign is another. Here the commonest signs, the ends of texts among them, are letters, of a script
-- in which hardly anybody sells. More trigrams are rare then, which costs a new product 9 us (51 and 61 with all that is written for it).
-- worker/read/products.ts writes the same expressions. The release before this one has no search, so nobody needs the former indexes.
select set_config('search_path', current_setting('search_path') || (
  select ', ' || quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'pg_trgm'), false);
create index concurrently product_fragments on catalog.product using gin (
  replace(replace(replace(replace(replace(replace(
    lower(seller_sku || E'\n' || coalesce(shop_sku, '') || E'\n' || coalesce(title, '') || E'\n'),
    E'\n', 'ꀀ'), ' ', 'ꀁ'), '-', 'ꀂ'), '_', 'ꀃ'), '.', 'ꀄ'), '/', 'ꀅ') gin_trgm_ops);
create index concurrently product_set_fragments on catalog.product_set using gin (
  replace(replace(replace(replace(replace(replace(
    lower(coalesce(handle, '') || E'\n' || coalesce(title, '') || E'\n'),
    E'\n', 'ꀀ'), ' ', 'ꀁ'), '-', 'ꀂ'), '_', 'ꀃ'), '.', 'ꀄ'), '/', 'ꀅ') gin_trgm_ops);
reset search_path;
-- Without statistics on their expressions PostgreSQL takes a fragment for common, and reads the whole catalogue.
analyze catalog.product;
analyze catalog.product_set;
drop index concurrently if exists catalog.product_words;
drop index concurrently if exists catalog.product_set_words;
