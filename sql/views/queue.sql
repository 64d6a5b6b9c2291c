-- The queue as people read it. Filter it (by id, seller, the statuses of a lane, a limit): the whole may be a million
-- rows.
drop view if exists shop_update.queue;
create view shop_update.queue as
select
  i.id as item_id,
  i.seller_id,
  r.name as seller_name,
  i.product_set_id,
  i.product_id,
  p.seller_sku,                             -- null for an item about a whole product set
  p.shop_sku as sku,
  i.topic,
  shop_update.label(i.topic) as topic_label,
  i.status,
  shop_update.label(i.status) as status_label,
  i.reason,
  i.message,
  i.queued_at,
  extract(epoch from now() - i.queued_at)::double precision as age_seconds,
  i.status_at,
  extract(epoch from now() - i.status_at)::double precision as status_seconds,
  greatest(i.sends - 1, 0) as requeued_count,
  case when i.sends > 1 then i.last_sent_at end as last_requeued_at,
  i.failed_at,
  i.failures,
  case when i.status in ('delayed', 'failed') and i.run_at < 'infinity' then i.run_at end as next_attempt_at,
  i.flow,
  i.request_id,
  i.trace_id,
  i.coalesced
from shop_update.item i
left join catalog.seller r on r.id = i.seller_id
left join catalog.product p on p.id = i.product_id;

grant select on shop_update.queue to shop_update_read;
