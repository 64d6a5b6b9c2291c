-- Every step of every item, wherever it is stored (see worker/queue/books.ts). Steps of one moment are in the order of
-- the statuses. Filter by item, and by what the tables are partitioned by: nothing of an item is stored before it was
-- queued. Indexes are used throughout then, of those days alone; without the item, they are not.
--
-- - `stored_at`: of the row that has the step
-- - `requested_at`: the same, or of a callback's step that of the request
--
-- Steps outside any exchange have rows of their own: see `step`. An answer that ends in Synced names no status for its
-- last step (`done_to`): 12 bytes less an item, for so many more rows fit into a page.
create or replace view shop_update.transition as
select s.item_id, s.at, s.from_status, s.to_status, s.seconds, s.reason, s.actor, s.note,
  s.at as stored_at, s.at as requested_at
-- workers of the previous version write the first step, too
from shop_update.step s where s.from_status is not null
union all
-- the first step, of items in the queue and of items that have left it
select i.id, i.queued_at, null, 'pending', null, null, null, null, i.queued_at, i.queued_at from shop_update.item i
union all
select f.id, f.queued_at, null, 'pending', null, null, null, null, f.finished_at, f.finished_at
from shop_update.finished_item f
union all
-- claimed, with no request yet
select i.id, i.came_at, i.came_from, 'processing', i.came_seconds, null, null, null, i.came_at, i.came_at
from shop_update.item i where i.status = 'processing' and i.came_at = i.status_at
union all
select r.item_id, t.at, t.from_status, t.to_status, t.seconds, null, null, null, r.sent_at, r.sent_at
from shop_update.request r cross join lateral (values
  (r.claimed_at, r.claimed_from, 'processing'::shop_update.status, r.claimed_seconds),
  (r.built_at, 'processing', 'building_payload', extract(epoch from r.built_at - r.claimed_at)::real),
  (r.sent_at, 'building_payload', 'made_request', extract(epoch from r.sent_at - r.built_at)::real)
) t (at, from_status, to_status, seconds)
where r.claimed_at is not null
union all
select a.item_id, t.at, t.from_status, t.to_status, t.seconds, t.reason, null, t.note, a.answered_at, a.answered_at
from shop_update.answer a
-- an acknowledgment, or no answer at all, goes on without Got response
cross join lateral (select a.http_status is not null and a.done_to is distinct from 'got_acknowledgment' as got) g
cross join lateral (values
  (g.got, a.answered_at, 'made_request'::shop_update.status, 'got_response'::shop_update.status, a.made_seconds,
    null, null),
  (a.payload_at is not null, a.payload_at, 'got_response', 'building_response_payload',
    extract(epoch from a.payload_at - a.answered_at)::real, null, null),
  (a.processing_at is not null, a.processing_at, 'building_response_payload', 'response_processing',
    extract(epoch from a.processing_at - a.payload_at)::real, null, null),
  (a.done_at is not null, a.done_at,
    case
      when a.processing_at is not null then 'response_processing'
      when g.got then 'got_response'
      else 'made_request' end::shop_update.status,
    coalesce(a.done_to, 'synced'),
    case
      when g.got then extract(epoch from a.done_at - coalesce(a.processing_at, a.answered_at))::real
      else a.made_seconds end,
    a.done_reason, a.done_note)
) t (happened, at, from_status, to_status, seconds, reason, note)
where a.made_seconds is not null and t.happened
union all
select r.item_id, t.at, t.from_status, t.to_status, t.seconds, t.reason, null, t.note, c.received_at, r.sent_at
from shop_update.request r
-- No equality, or the planner may join all callbacks that there are with the few requests of an item.
join shop_update.callback c
  on c.request_id = any (array[r.request_id::text]) and c.item_id is not distinct from r.item_id
cross join lateral (values
  (c.taken_at, c.taken_from, 'got_response'::shop_update.status, c.taken_seconds, null, null),
  (c.payload_at, 'got_response', 'building_response_payload', extract(epoch from c.payload_at - c.taken_at)::real,
    null, null),
  (c.processing_at, 'building_response_payload', 'response_processing',
    extract(epoch from c.processing_at - c.payload_at)::real, null, null),
  (c.done_at, case when c.processing_at is null then 'got_response' else 'response_processing' end::shop_update.status,
    c.done_to, extract(epoch from c.done_at - coalesce(c.processing_at, c.taken_at))::real, c.done_reason, c.done_note)
) t (at, from_status, to_status, seconds, reason, note)
where t.at is not null;

-- For workers of the previous version: they do not know that this version keeps the claim in the item, so it is written
-- down before they take such an item over.
create or replace function shop_update.keep_step() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  if new.from_status = 'processing' and new.to_status <> 'building_payload' then
    insert into shop_update.step (item_id, at, from_status, to_status, seconds)
    select i.id, i.came_at, i.came_from, 'processing', i.came_seconds
    from shop_update.item i
    where i.id = new.item_id
      and i.came_at is not null
      and not exists (select from shop_update.request r where r.item_id = i.id and r.claimed_at = i.came_at)
      and not exists (select from shop_update.step s where s.item_id = i.id and s.at = i.came_at);
  end if;
  insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason, actor, note)
    values (new.item_id, new.at, new.from_status, new.to_status, new.seconds, new.reason, new.actor, new.note);
  return new;
end $$;
create or replace trigger keep_step instead of insert on shop_update.transition
  for each row execute function shop_update.keep_step();

grant select on shop_update.transition to shop_update_read, shop_update_worker;
grant insert on shop_update.transition to shop_update_worker;
