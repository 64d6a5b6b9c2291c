-- PostgreSQL takes a table for as full as it was when it was vacuumed last, page by page. A healthy queue is vacuumed
-- when it is empty, and from then on every index looks as good as every other: whole indexes are walked for one item
-- (the leader's release of 5,000 Blocked ones took over a minute, by the right index 50 ms). So a table of the queue,
-- or an index on one, that is said to be nearly empty is said to be filled as usual: that is right, or costs nothing.
-- The leader looks once a second; whoever vacuums goes first.
--
-- Returns how many were mended.
create or replace function shop_update.mend_statistics() returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $$
declare
  mended int := 0;
  wrong record;
begin
  for wrong in
    select c.relname, c.relpages * case when c.relkind = 'i' then 100 else 10 end as usual
    from pg_class t
    join pg_class c on c.oid = t.oid or c.oid in (select indexrelid from pg_index where indrelid = t.oid)
    where t.relnamespace = 'shop_update'::regnamespace and t.relname in ('item', 'set_lane')
      and c.relpages > 0 and c.reltuples < c.relpages * case when c.relkind = 'i' then 20 else 2 end
  loop
    perform pg_restore_relation_stats(
      'schemaname', 'shop_update',
      'relname', wrong.relname::text,
      'reltuples', wrong.usual::real);
    mended := mended + 1;
  end loop;
  return mended;
exception when lock_not_available then
  return 0;
end $$;

revoke execute on function shop_update.mend_statistics() from public;
grant execute on function shop_update.mend_statistics() to shop_update_worker;
