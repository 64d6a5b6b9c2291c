-- The calls to the Shop by five minutes: roll-ups plus what is not folded yet. Filter by a range of slots.
drop view if exists shop_update.call_stats;
create view shop_update.call_stats as
select
  slot,
  topic,
  shop_update.label(topic) as topic_label,
  shop_update.method(topic) as method,
  flow,
  outcome,                                  -- success, acknowledged, failure, unprocessable, unreachable
  sum(n)::bigint as calls,
  sum(milliseconds) / nullif(sum(n), 0) as average_ms,
  max(slowest) as slowest_ms
from (
  select slot, topic, flow, outcome, n, milliseconds, slowest from shop_update.call_slot
  union all
  select slot, topic, flow, outcome, n, milliseconds, slowest from shop_update.unfolded() where kind = 'call'
) calls
group by slot, topic, flow, outcome;

grant select on shop_update.call_stats to shop_update_read;
