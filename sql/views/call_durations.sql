-- The calls to the Shop by five minutes and by how long they took: what shop_update.call_stats sums up, for percentiles. Ask for a range of slots.
drop view if exists shop_update.call_durations;
create view shop_update.call_durations as
select
  slot,
  topic,
  shop_update.label(topic) as topic_label,
  shop_update.method(topic) as method,
  flow,
  outcome in ('success', 'acknowledged') as successful,
  bucket,                                   -- of shop_update.bucket()
  n as calls,
  milliseconds,                             -- of all of them together
  slowest as slowest_ms
from (
  select slot, topic, flow, outcome, bucket, n, milliseconds, slowest from shop_update.call_slot
  union all
  select slot, topic, flow, outcome, bucket, n, milliseconds, slowest from shop_update.delta where kind = 'call'
) calls;
