-- The Sync KPI (product decision 15): of the items queued within each window, the share that is Synced by now, how long it took them, and the
-- number of requests that were sent in the window. Items are counted by the hour in which they were queued, so a window may begin up to an hour
-- early. Percentiles come from buckets: they are off by a fifth at most.
drop view if exists shop_update.kpi;
create view shop_update.kpi as
with span (place, name, since) as (
  values (1, '24h', interval '24 hours'), (2, '7d', interval '7 days'), (3, '14d', interval '14 days'),
    (4, '30d', interval '30 days'), (5, '90d', interval '90 days')
),
hours as materialized (
  select hour, bucket, sum(n) as n from (
    select hour, bucket, n from shop_update.kpi_hour where hour >= now() - interval '91 days'
    union all
    select slot, coalesce(bucket, -1)::smallint, n from shop_update.delta where kind in ('queued', 'synced')
  ) h group by hour, bucket
),
calls as materialized (
  select date_trunc('hour', slot, 'UTC') as hour, sum(n) as n from (
    select slot, n from shop_update.call_slot where slot >= now() - interval '91 days'
    union all
    select slot, n from shop_update.delta where kind = 'call'
  ) c group by 1
),
items as (
  select s.name, h.bucket, sum(h.n) as n
  from span s join hours h on h.hour >= date_trunc('hour', now() - s.since, 'UTC')
  group by s.name, h.bucket
),
ranked as (
  select name, bucket, sum(n) over (partition by name order by bucket) as upto, sum(n) over (partition by name) as total
  from items where bucket >= 0
),
duration as (
  select name,
    shop_update.bucket_seconds(min(bucket) filter (where upto >= total * 0.50)) as p50,
    shop_update.bucket_seconds(min(bucket) filter (where upto >= total * 0.95)) as p95
  from ranked group by name
),
total as (
  select name, sum(n) filter (where bucket = -1) as queued, sum(n) filter (where bucket >= 0) as synced from items group by name
)
select
  s.name as "window",
  coalesce(t.queued, 0)::bigint as queued,
  coalesce(t.synced, 0)::bigint as synced,
  (coalesce(t.synced, 0) / nullif(t.queued, 0))::double precision as ratio,
  coalesce((select sum(c.n) from calls c where c.hour >= date_trunc('hour', now() - s.since, 'UTC')), 0)::bigint as requests,
  d.p50 as p50_seconds,
  d.p95 as p95_seconds
from span s
left join total t on t.name = s.name
left join duration d on d.name = s.name
order by s.place;
