-- The Sync KPI (decision 15): for the items queued within each window, the share that is Synced by now, how long that
-- took, and the number of requests sent in the window. Items count in the hour in which they were queued, so a window
-- may begin up to an hour early. Percentiles come from buckets and are off by a fifth at most.
--
-- Each window adds only its own part, older than the next narrower window, to the narrower ones, so that each hour is
-- read once: 50 ms with the roll-ups of a quarter, instead of 325 if every window read all of its hours.
drop view if exists shop_update.kpi;
create view shop_update.kpi as
with span as (
  select place, name, date_trunc('hour', now() - width, 'UTC') as since
  from (values (1, '24h', interval '24 hours'), (2, '7d', interval '7 days'), (3, '14d', interval '14 days'),
    (4, '30d', interval '30 days'), (5, '90d', interval '90 days')) w (place, name, width)
),
part as materialized (
  select place, since, lag(since, 1, 'infinity') over (order by place) as until from span
),
unfolded as materialized (
  select * from shop_update.unfolded()
),
items as materialized (
  select p.place, h.bucket, h.n
  from part p cross join lateral (
    select bucket, sum(n) as n from (
      select bucket, n from shop_update.kpi_hour where hour >= p.since and hour < p.until
      union all
      select coalesce(bucket, -1)::smallint, n from unfolded
      where kind in ('queued', 'synced') and slot >= p.since and slot < p.until
    ) each group by bucket
  ) h
),
calls as materialized (
  select p.place, c.n
  from part p cross join lateral (
    select sum(n) as n from (
      select n from shop_update.call_hour where slot >= p.since and slot < p.until
      union all
      select n from unfolded where kind = 'call' and slot >= p.since and slot < p.until
    ) each
  ) c
),
total as (
  select s.place, sum(i.n) filter (where i.bucket = -1) as queued, sum(i.n) filter (where i.bucket >= 0) as synced
  from span s join items i on i.place <= s.place group by s.place
),
ranked as (
  select
    place,
    bucket,
    sum(sum(n)) over (partition by place order by bucket) as upto,
    sum(sum(n)) over (partition by place) as total
  from (select s.place, i.bucket, i.n from span s join items i on i.place <= s.place where i.bucket >= 0) each
  group by place, bucket
),
duration as (
  select place,
    shop_update.bucket_seconds(min(bucket) filter (where upto >= total * 0.50)) as p50,
    shop_update.bucket_seconds(min(bucket) filter (where upto >= total * 0.95)) as p95
  from ranked group by place
)
select
  s.name as "window",
  coalesce(t.queued, 0)::bigint as queued,
  coalesce(t.synced, 0)::bigint as synced,
  (coalesce(t.synced, 0) / nullif(t.queued, 0))::double precision as ratio,
  coalesce((select sum(c.n) from calls c where c.place <= s.place), 0)::bigint as requests,
  d.p50 as p50_seconds,
  d.p95 as p95_seconds
from span s
left join total t on t.place = s.place
left join duration d on d.place = s.place
order by s.place;

grant select on shop_update.kpi to shop_update_read;
