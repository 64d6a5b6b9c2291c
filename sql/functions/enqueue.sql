-- Queues a change inside the caller's transaction: it is sent if, and only if, that transaction commits. Until then it
-- locks at most the item that absorbs the change; workers skip that item, and others flow. Two transactions that queue
-- the same changes wait for each other, as they do for the products themselves. In opposite orders they deadlock, so
-- queue in the order of the product ids.
--
-- No sequential scan: a session keeps plans that it made when the queue was empty, and would scan the whole table for
-- each change once it is full (1.4 ms per change at 5,000 dead rows, by index 0.03).
--
-- It runs as the owner: callers need no rights on what it reads and writes, which may change.
--
-- An item of the same product and topic that is in the queue but not in flight absorbs the change (payloads are built
-- from the catalogue at send time), and its `coalesced` goes up. If it was Delayed or Failed after failures, it starts
-- afresh: the new change may well cure it.
create or replace function shop_update.enqueue_item(
  topic text, product_id bigint, product_set_id bigint, out item_id bigint, out coalesced boolean
) language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
declare
  of_set constant boolean := enqueue_item.topic in ('images', 'new_product_set');
  the_topic shop_update.topic;
  the_set bigint;
  the_seller bigint;
  at constant timestamptz := clock_timestamp();
  wait interval;
  was record;
begin
  if enqueue_item.topic is null or not enqueue_item.topic = any (enum_range(null::shop_update.topic)::text[]) then
    raise exception 'unknown topic "%"', enqueue_item.topic using errcode = 'invalid_parameter_value',
      hint = 'One of ' || array_to_string(enum_range(null::shop_update.topic), ', ') || '.';
  end if;
  the_topic := enqueue_item.topic::shop_update.topic;

  if of_set then
    if enqueue_item.product_set_id is null or enqueue_item.product_id is not null then
      raise exception 'topic "%" takes a product_set_id and no product_id', the_topic
        using errcode = 'invalid_parameter_value';
    end if;
    select s.id, s.seller_id into the_set, the_seller
    from catalog.product_set s where s.id = enqueue_item.product_set_id;
    if not found then
      raise exception 'product set % does not exist', enqueue_item.product_set_id
        using errcode = 'foreign_key_violation';
    end if;
  else
    if enqueue_item.product_id is null or enqueue_item.product_set_id is not null then
      raise exception 'topic "%" takes a product_id and no product_set_id', the_topic
        using errcode = 'invalid_parameter_value';
    end if;
    -- A product that has just moved to another set stays with what is queued for it until that has moved too; the old
    -- set may be gone by then.
    select coalesce(c.product_set_id, s.id), s.seller_id into the_set, the_seller
    from catalog.product p left join shop_update.catalog_change c on c.product_id = p.id and c.moved
    join catalog.product_set s on s.id = p.product_set_id where p.id = enqueue_item.product_id;
    if not found then
      raise exception 'product % does not exist', enqueue_item.product_id using errcode = 'foreign_key_violation';
    end if;
  end if;

  -- Found by equality and locked, then changed in place: no other index fits either query, whatever the statistics say.
  -- Those of a queue are usually wrong: once it has drained they say that it is empty, and each change walked a whole
  -- index (74 s for 20,000 changes, 4 by equality). "Is not distinct from" is not an equality to an index: quadratic
  -- for a large set.
  if of_set then
    select c.ctid as place into was from shop_update.item c
    where c.product_set_id = the_set and c.topic = the_topic and c.product_id is null
      and c.lane <> 'in_flight' and c.lane <> 'awaiting'
    order by c.lane in ('ready', 'behind') desc, c.id desc limit 1 for no key update;
  else
    select c.ctid as place into was from shop_update.item c
    where c.product_set_id = the_set and c.topic = the_topic and c.product_id = enqueue_item.product_id
      and c.lane <> 'in_flight' and c.lane <> 'awaiting'
    order by c.lane in ('ready', 'behind') desc, c.id desc limit 1 for no key update;
  end if;
  coalesced := found;
  if coalesced then
    update shop_update.item i set
      coalesced = i.coalesced + 1,
      absorbed_at = at,
      status = case when i.reason = 'failure' then 'pending' else i.status end,
      status_at = case
        when i.reason = 'failure' then shop_update.later(i.status_at, at)
        else i.status_at end,
      came_at = case when i.reason = 'failure' then shop_update.later(i.status_at, at) else i.came_at end,
      came_from = case when i.reason = 'failure' then i.status else i.came_from end,
      came_seconds = case
        when i.reason = 'failure' then extract(epoch from shop_update.later(i.status_at, at) - i.status_at)
        else i.came_seconds end,
      entered_at = case when i.reason = 'failure' then at else i.entered_at end,
      -- set_lane counts the items behind
      lane = case when i.reason = 'failure' and i.lane <> 'behind' then 'ready' else i.lane end,
      run_at = case when i.reason = 'failure' then at else i.run_at end,
      failures = case when i.reason = 'failure' then 0 else i.failures end,
      failed_at = case when i.reason = 'failure' then null else i.failed_at end,
      message = case when i.reason = 'failure' then null else i.message end,
      cause_id = case when i.reason = 'failure' then null else i.cause_id end,
      reason = case when i.reason = 'failure' then null else i.reason end
    where i.ctid = was.place
    returning i.id, i.status_at as at, old.status as status, old.status_at as since, old.reason as reason,
      old.cause_id as cause into was;
    if not found then raise exception 'the item that absorbs the change could not be changed'; end if;
    item_id := was.id;
    if was.reason is distinct from 'failure' or was.status not in ('delayed', 'failed') then return; end if;
    insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
      values (item_id, was.at, was.status, 'pending', extract(epoch from was.at - was.since), 'coalesced');
    with noted as (
      insert into shop_update.touched (product_id, product_set_id)
      values (enqueue_item.product_id, case when of_set then the_set end)
    )
    insert into shop_update.delta (kind, topic, status, cause_id, n)
      values ('status', the_topic, was.status, was.cause, -1), ('status', the_topic, 'pending', null, 1);
  else
    if the_topic = 'stock' then
      select make_interval(secs => value::text::double precision) into wait
      from shop_update.setting where key = 'shop_update/stock_wait_seconds';
    end if;
    wait := coalesce(wait, interval '0');

    insert into shop_update.item as i
      (seller_id, product_set_id, product_id, topic, status, lane, reason, queued_at, entered_at, status_at, run_at)
    values (the_seller, the_set, enqueue_item.product_id, the_topic,
      case when wait > interval '0' then 'delayed' else 'pending' end::shop_update.status,
      case when wait > interval '0' then 'delayed' else 'ready' end::shop_update.lane,
      case when wait > interval '0' then 'stock_wait' end,
      at, at, at, at + wait)
    on conflict (product_set_id, topic, product_id) where fresh do update set coalesced = i.coalesced + 1
    returning i.id, i.coalesced > 0 into item_id, coalesced;
    if coalesced then return; end if;

    -- one statement for all of it: each costs 5 us more
    with noted as (
      insert into shop_update.touched (product_id, product_set_id)
      values (enqueue_item.product_id, case when of_set then the_set end)
    )
    insert into shop_update.delta (kind, slot, topic, status, n) values
      ('queued', date_trunc('hour', at, 'UTC'), the_topic, null, 1),
      ('status', null, the_topic,
        case when wait > interval '0' then 'delayed' else 'pending' end::shop_update.status, 1);
    if wait > interval '0' then
      insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
        values (item_id, at, 'pending', 'delayed', 0, 'stock_wait');
    end if;
  end if;

  -- Wakes the workers when the transaction has committed, unless all are awake: busy, and looking again on their own.
  -- At commit, a notification takes a lock that all notifying transactions share: with 16 sessions it halves what
  -- Seller Center can commit.
  --
  -- A worker falls asleep by withdrawing what is read here, and looks once more after that, for the last time 250 ms
  -- later. A change that was queued before and commits later is found by the worker's poll, within a second. A change
  -- of a transaction that is open for longer always wakes.
  --
  -- Inlined: a function of its own would cost half as much again (16 us instead of 11, out of 120).
  if at < now() + interval '250 milliseconds'
    and (select bool_and(w.awake) from shop_update.worker w where w.heartbeat_at > at - interval '1 minute')
  then
    return;
  end if;
  perform pg_notify('shop_update', '');           -- PostgreSQL delivers it once per transaction, after the commit
end $$;

-- What Seller Center calls. Returns the id of the item that carries the change.
create or replace function shop_update.enqueue(
  topic text,
  product_id bigint default null,
  product_set_id bigint default null)
returns bigint language sql as $$
  select item_id from shop_update.enqueue_item(topic, product_id, product_set_id)
$$;

revoke execute on function shop_update.enqueue_item from public;
grant execute on function shop_update.enqueue_item to shop_update_enqueue, shop_update_worker;
-- Roles with their own write grants on the queue used these functions before there was that role, and may go on. So may
-- a call that began when the function still ran with its caller's rights, and that finds this body.
do $$
declare
  name text;
begin
  for name in
    select rolname from pg_roles
    where not rolsuper and has_any_column_privilege(oid, 'shop_update.item', 'insert')
  loop
    execute format('grant execute on function shop_update.enqueue_item to %I', name);
    execute format('grant select on shop_update.catalog_change, shop_update.worker to %I', name);
  end loop;
end $$;
