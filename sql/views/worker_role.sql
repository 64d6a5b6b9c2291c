-- The role that the worker works with: who has it reads and moves everything, rewrites nothing of what has happened,
-- changes no product but for what the Shop said of it, and no table's form.
grant usage on schema shop_update, catalog to shop_update_worker;
grant usage on all sequences in schema shop_update to shop_update_worker;
grant select on all tables in schema shop_update, catalog to shop_update_worker;
-- A view is replaced in a transaction of its own: whoever reads it while the rest is still to come may do so at once.
alter default privileges in schema shop_update grant select on tables to shop_update_worker;

-- What has happened is only added to; which migrations have been applied is the owner's. Whatever else there is, or
-- comes, is the worker's own. Nobody has anything on the partitions themselves but to read them: past the table above
-- them, a row of the history could be rewritten.
do $$
declare
  name text;
  may text;
begin
  for name, may in
    select c.oid::regclass, case
        when c.relispartition or c.relname = 'migration' then null
        when c.relname in ('step', 'request', 'answer', 'finished_item', 'audit') then 'insert'
        else 'insert, update, delete'
      end
    from pg_class c where c.relnamespace = 'shop_update'::regnamespace and c.relkind in ('r', 'p')
  loop
    execute format('revoke insert, update, delete on %s from shop_update_worker', name);
    if may is not null then execute format('grant %s on %s to shop_update_worker', may, name); end if;
  end loop;
end $$;

grant update (src_id, shop_sku, src_updated_at) on catalog.product to shop_update_worker;
grant update (src_id) on catalog.product_set to shop_update_worker;

-- What runs as the owner is for the worker, or for triggers; who else may ask for it is said where it is made.
do $$
declare
  name text;
begin
  for name in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'shop_update'::regnamespace and p.prosecdef
  loop
    execute format('revoke execute on function %s from public', name);
    execute format('grant execute on function %s to shop_update_worker', name);
  end loop;
end $$;
