-- Makes the day partitions from yesterday to `ahead` days from today, and drops those that ended more than `keep` days
-- ago. Bounds are UTC whatever the session's zone. Returns how many were dropped. Making and dropping wants a table to
-- itself, and while it waits behind a long reader everybody else waits behind it: not for a second. They belong to
-- whoever owns the tables, so it runs as that one.
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
  -- Dropping first, and first what has to be counted: nothing is locked yet while it is.
  foreach parent in array array['finished_item', 'step', 'request', 'answer', 'callback'] loop
    for old in
      select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = format('shop_update.%I', parent)::regclass
        -- the indexes of a partition inherit too: only a name that ends in a day is looked at
        and case when c.relname ~ '_\d{8}$' then to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - keep end
      order by c.relname
    loop
      if parent = 'finished_item' then -- the counter goes with what it counts
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
