-- The calls to the Shop by duration, for percentiles and outliers; shop_update.call_stats sums them up. Filter by one
-- grain and a range of slots: every call is counted both by five minutes and by the hour.
drop view if exists shop_update.call_durations;
create view shop_update.call_durations as
select
  grain,                                    -- 5m, 1h
  slot,
  topic,
  shop_update.label(topic) as topic_label,
  shop_update.method(topic) as method,
  flow,
  outcome in ('success', 'acknowledged') as successful,
  bucket,                                   -- of shop_update.bucket()
  n as calls,
  milliseconds,                             -- of all these calls together
  slowest as slowest_ms
from (
  select '5m' as grain, slot, topic, flow, outcome, bucket, n, milliseconds, slowest from shop_update.call_slot
  union all
  select '5m', slot, topic, flow, outcome, bucket, n, milliseconds, slowest
  from shop_update.unfolded() where kind = 'call'
  union all
  select '1h', slot, topic, flow, outcome, bucket, n, milliseconds, slowest from shop_update.call_hour
  union all
  select '1h', date_trunc('hour', slot, 'UTC'), topic, flow, outcome, bucket, n, milliseconds, slowest
  from shop_update.unfolded() where kind = 'call'
) calls;

grant select on shop_update.call_durations to shop_update_read;
