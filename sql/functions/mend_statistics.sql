-- PostgreSQL assumes that a table is as full, page by page, as it was at the last vacuum. A healthy queue is vacuumed
-- when it is empty. From then on every index looks as good as every other, and whole indexes are walked for one item
-- (the leader's release of 5,000 Blocked items took over a minute; with the right index 50 ms). So a queue table, or
-- one of its indexes, that is recorded as nearly empty is recorded as normally filled: that is right, or costs nothing.
-- Of fewer than 300 rows a table is recorded as having 300.
--
-- What ANALYZE notes of the columns of so few rows is worse than nothing: if the three that were left waited behind
-- another, PostgreSQL takes it that next to nothing is ready, and walks all that is for each item (299 pages an item in
-- place of 50). It is forgotten; PostgreSQL then assumes that a key finds a two-hundredth, and takes the key's index.
--
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
    select c.oid, c.relname, c.relkind <> 'i' and c.reltuples < 300 as "isLittle",
      case when c.relkind = 'i' then c.relpages * 100 else greatest(c.relpages * 10, 300) end as usual
    from pg_class t
    join pg_class c on c.oid = t.oid or c.oid in (select indexrelid from pg_index where indrelid = t.oid)
    where t.relnamespace = 'shop_update'::regnamespace and t.relname in ('item', 'set_lane')
      and c.reltuples >= 0 -- -1: not looked at yet
      and c.reltuples < case when c.relkind = 'i' then c.relpages * 20 else greatest(c.relpages * 2, 300) end
  loop
    -- of all columns: which of them have any, pg_statistic says to superusers alone
    perform pg_clear_attribute_stats('shop_update', wrong.relname::text, a.attname::text, false)
    from pg_attribute a
    where wrong."isLittle" and a.attrelid = wrong.oid and a.attnum > 0 and not a.attisdropped;
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
