-- PostgreSQL assumes that a table is as full, page by page, as it was at the last vacuum. A healthy queue is vacuumed
-- when it is empty. From then on every index looks as good as every other, and whole indexes are walked for one item
-- (the leader's release of 5,000 Blocked items took over a minute; with the right index 50 ms). So a queue table, or
-- one of its indexes, that is recorded as nearly empty is recorded as normally filled: that is right, or costs nothing.
-- The leader checks once a second; a running vacuum goes first.
--
-- Returns how many were corrected.
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
