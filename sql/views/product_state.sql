-- How it stands with each product, as Seller Center can show it to a seller, and as the leader publishes it
-- (worker/queue/feedback.ts). Filter it by product_id, product_set_id or seller_id: each product costs a look into
-- the queue, so the whole catalogue takes its time.
--
-- A state holds from one end of an attempt to the next: that an item is claimed and sent changes nothing, so that the
-- hot path has nothing to note. worker/domain/product-verdict.ts says the same in words.
drop view if exists shop_update.product_state;
create view shop_update.product_state as
select
  p.id as product_id,
  p.product_set_id,
  s.seller_id,
  case
    when i.id is not null then i.state
    when h.in_shop then case when h.rejected then 'requires_action' else 'in_shop' end
    when h.rejected then 'requires_action'
    else 'not_sent'
  end as state,
  case
    when i.id is not null then i.who_acts
    when h.inactive or h.rejected then 'seller'
    when h.in_shop or p.qc_status = 'pending' then 'nobody'
    else 'admin'                            -- nothing creates it
  end as who_acts,
  case when i.id is not null then i.since when h.in_shop and not h.rejected then p.src_updated_at end as since,
  i.expected_at,
  i.id as item_id,                          -- the one to look at first
  r.active and p.active and p.qc_status = 'approved' as shown
from catalog.product p
join catalog.product_set s on s.id = p.product_set_id
join catalog.seller r on r.id = s.seller_id
cross join lateral (
  select
    p.src_id is not null and p.shop_sku is not null and s.src_id is not null as in_shop,
    not (r.active and p.active) as inactive,
    r.active and p.active and p.qc_status = 'rejected' as rejected
) h
left join lateral (
  select
    o.id,
    case k.kind when 'stands' then 'requires_action' when 'runs' then 'on_its_way' else 'waiting' end as state,
    case
      when k.kind = 'stands' and o.lane <> 'blocked' and o.topic = 'images' then 'seller'
      when k.kind = 'stands' then 'admin'
      when k.kind = 'fails' and (o.status = 'failed' or o.lane = 'in_flight' and o.came_from = 'failed') then 'sre'
      when o.status = 'got_acknowledgment' then 'shop'
      else 'nobody'
    end as who_acts,
    case k.kind when 'runs' then o.queued_at when 'fails' then o.failed_at else o.status_at end as since,
    -- planned; a time that has passed is no expectation
    case when o.run_at > now() and o.run_at < 'infinity' then o.run_at end as expected_at
  from (
    select i.* from shop_update.item i
    where i.product_set_id = p.product_set_id and i.product_id = p.id and i.lane <> 'in_flight'
    union all
    select i.* from shop_update.item i
    where i.product_set_id = p.product_set_id and i.product_id is null and i.lane <> 'in_flight'
    union all
    select i.* from shop_update.set_lane l join shop_update.item i on i.id = l.item_id
    where l.product_set_id = p.product_set_id and (i.product_id is null or i.product_id = p.id)
  ) o
  cross join lateral (
    select case
      when o.lane = 'blocked' then case when o.reason in ('not_in_shop', 'new_variation') then 'waits' else 'stands' end
      when o.failures > 0 and o.run_at = 'infinity' then 'stands'
      when o.failures > 0 and o.status <> 'got_acknowledgment' then 'fails'
      else 'runs'
    end as kind
  ) k
  where h.in_shop or shop_update.creates(o.topic)
  order by array_position(array['stands', 'fails', 'waits', 'runs'], k.kind), o.id
  limit 1
) i on true;

grant select on shop_update.product_state to shop_update_read;
