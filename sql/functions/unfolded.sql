-- What is not yet in the counters and roll-ups: adding it to them gives the exact numbers of this moment. It always
-- uses the index, because PostgreSQL cannot know how little of the table is above `up_to`. After a restart of the
-- server, and on a standby, everything is scanned.
create or replace function shop_update.folded_up_to() returns xid8 language sql stable as $$
  select coalesce((select up_to from shop_update.folded where server_started_at = pg_postmaster_start_time()), '0')
$$;

create or replace function shop_update.unfolded() returns setof shop_update.delta
language sql stable rows 1000 set enable_seqscan = off as $$
  select * from shop_update.delta where xact >= (select shop_update.folded_up_to())
$$;

-- In the same transaction as the function: a view that calls it may be read before the rest is in force.
grant select on shop_update.folded to shop_update_read;
