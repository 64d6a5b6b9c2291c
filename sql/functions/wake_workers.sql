-- Wakes the workers when the transaction has committed, unless all of them are awake: busy, and looking again by themselves. A notification
-- takes a lock at the commit that all transactions that notify share: with 16 sessions it halves what Seller Center can commit.
--
-- A worker falls asleep by taking back what is read here, and looks once more after that, for the last time 250 ms later. A change that was
-- queued before and is committed after is found by its poll, within a second. One of a transaction that is open for longer always wakes.
create or replace function shop_update.wake_workers(at timestamptz) returns void language plpgsql as $$
begin
  if at < now() + interval '250 milliseconds'
    and (select bool_and(w.awake) from shop_update.worker w where w.heartbeat_at > wake_workers.at - interval '1 minute')
  then
    return;
  end if;
  perform pg_notify('shop_update', '');           -- PostgreSQL delivers it once per transaction, after the commit
end $$;
