-- Creates the day partitions from yesterday to `ahead` days from today, and drops those that ended more than `keep`
-- days ago. Bounds are UTC, whatever the session's zone. Returns how many were dropped. Creating and dropping needs an
-- exclusive lock, and while that waits behind a long reader, everybody waits behind it: so it waits less than a second.
-- The tables' owner owns the partitions, so it runs as that role.
create or replace function shop_update.partition_days(ahead int, keep int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp
set timezone = 'UTC' set datestyle = 'ISO, YMD' set lock_timeout = '400ms' as $$
declare
  parent text;
  day date;
  old record;
  dropped int := 0;
begin
  perform pg_advisory_xact_lock(hashtext('shop_update.partition_days'));
  -- Drops first, and counts before it locks anything.
  foreach parent in array array['finished_item', 'step', 'request', 'answer', 'callback'] loop
    for old in
      select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = format('shop_update.%I', parent)::regclass
        -- the indexes of a partition inherit too: only names that end in a day count
        and case when c.relname ~ '_\d{8}$' then to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - keep end
      order by c.relname
    loop
      if parent = 'finished_item' then -- the counter goes with its items
        execute format('insert into shop_update.delta (kind, topic, status, n)
          select ''status'', topic, ''synced'', -count(*)
          from shop_update.%I where status = ''synced'' group by topic', old.relname);
      end if;
      execute format('drop table shop_update.%I', old.relname);
      dropped := dropped + 1;
    end loop;
  end loop;
  foreach parent in array array['step', 'request', 'answer', 'finished_item', 'callback'] loop
    for day in select generate_series(current_date - 1, current_date + ahead, interval '1 day')::date loop
      if to_regclass(format('shop_update.%I', parent || '_' || to_char(day, 'YYYYMMDD'))) is null then
        execute format('create table shop_update.%I partition of shop_update.%I for values from (%L) to (%L)',
          parent || '_' || to_char(day, 'YYYYMMDD'), parent, day, day + 1);
      end if;
    end loop;
  end loop;
  return dropped;
end $$;

revoke execute on function shop_update.partition_days(int, int) from public;
grant execute on function shop_update.partition_days(int, int) to shop_update_worker;
