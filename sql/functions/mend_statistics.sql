-- PostgreSQL assumes that a table is as full, page by page, as it was at the last vacuum. A healthy queue is vacuumed
-- when it is empty. From then on every index looks as good as every other, and whole indexes are walked for one item
-- (the leader's release of 5,000 Blocked items took over a minute; with the right index 50 ms). So a queue table, or
-- one of its indexes, that is recorded as nearly empty is recorded as normally filled: that is right, or costs nothing.
-- A table of fewer than 300 rows is recorded as having 300.
--
-- A lane of which ANALYZE has found next to nothing is noted as a two-hundredth, which PostgreSQL assumes where nothing
-- is noted: if all indexes of a lane seem to be empty, any of them is taken, and what is ready is walked for each item
-- of a large set (291 pages an item in place of 61). What is in flight is noted as a tenth at most: if the last of a
-- queue were in flight, the index of all others would seem to be empty (1,400 pages an item). For run_at and
-- product_set_id see migration 82. Plans are kept until pg_class changes, so a row is added to what it says.
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
    select c.relname,
      case when c.relkind = 'i' then c.relpages * 100 else greatest(c.relpages * 10, 300) end as usual
    from pg_class t
    cross join lateral (select t.oid union all select indexrelid from pg_index where indrelid = t.oid) r
    join pg_class c on c.oid = r.oid
    where t.relnamespace = 'shop_update'::regnamespace and t.relname in ('item', 'set_lane')
      and c.reltuples >= 0 -- -1: not looked at yet
      and c.reltuples < case when c.relkind = 'i' then c.relpages * 20 else greatest(c.relpages * 2, 300) end
  loop
    perform pg_restore_relation_stats(
      'schemaname', 'shop_update',
      'relname', wrong.relname::text,
      'reltuples', wrong.usual::real);
    mended := mended + 1;
  end loop;
  select
    array_agg(lane order by lane)::text as lanes,
    array_agg(usual order by lane) as shares,
    count(*)::real as kinds,
    bool_or(share <> usual) as "isWrong",
    max(reltuples) + 1 as more
  into wrong
  from (
    select
      lane,
      c.reltuples,
      coalesce(s.most_common_freqs[array_position(s.most_common_vals::text::text[], lane::text)], 0) as share
    from unnest(enum_range(null::shop_update.lane)) lane
    cross join pg_stats s
    join pg_class c on c.oid = 'shop_update.item'::regclass
    where s.schemaname = 'shop_update' and s.tablename = 'item' and s.attname = 'lane'
  ) noted
  cross join lateral (
    select greatest(0.005, least(share, case when lane = 'in_flight' then 0.1 else 1 end))::real as usual) usual;
  if wrong."isWrong" then
    perform pg_restore_attribute_stats(
      'schemaname', 'shop_update',
      'relname', 'item',
      'attname', 'lane',
      'inherited', false,
      'n_distinct', wrong.kinds,
      'most_common_vals', wrong.lanes,
      'most_common_freqs', wrong.shares);
    perform pg_restore_relation_stats(
      'schemaname', 'shop_update',
      'relname', 'item',
      'reltuples', wrong.more::real);
    mended := mended + 1;
  end if;
  return mended;
exception when lock_not_available then
  return 0;
end $$;

revoke execute on function shop_update.mend_statistics() from public;
grant execute on function shop_update.mend_statistics() to shop_update_worker;
