-- The role of the worker: it reads and moves everything, but rewrites no history, changes products only by what the
-- Shop said, and alters no table.
grant usage on schema shop_update, catalog to shop_update_worker;
grant usage on all sequences in schema shop_update to shop_update_worker;
grant select on all tables in schema shop_update, catalog to shop_update_worker;
-- A view is replaced in a transaction of its own, and may be read before the rest is in force.
alter default privileges in schema shop_update grant select on tables to shop_update_worker;

-- History is only appended to, and the list of applied migrations is the owner's. Everything else, present or future,
-- is the worker's own. On the partitions themselves nobody may do more than read: otherwise a row of the history could
-- be rewritten, past the rights on the parent table.
do $$
declare
  name text;
  may text;
begin
  for name, may in
    select c.oid::regclass, case
        when c.relispartition or c.relname = 'migration' then null
        when c.relname in ('step', 'request', 'answer', 'callback', 'finished_item', 'audit') then 'insert'
        else 'insert, update, delete'
      end
    from pg_class c where c.relnamespace = 'shop_update'::regnamespace and c.relkind in ('r', 'p')
  loop
    execute format('revoke insert, update, delete on %s from shop_update_worker', name);
    if may is not null then execute format('grant %s on %s to shop_update_worker', may, name); end if;
  end loop;
end $$;

-- Of a callback, what came stays as it came; a worker notes what it led to.
grant update (
  applied_at, outcome, taken_at, taken_from, taken_seconds, payload_at, processing_at, done_at, done_to, done_reason,
  done_note) on shop_update.callback to shop_update_worker;

grant update (src_id, shop_sku, src_updated_at) on catalog.product to shop_update_worker;
grant update (src_id) on catalog.product_set to shop_update_worker;

-- Functions that run as the owner are for the worker or for triggers; their own files grant them to others.
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
