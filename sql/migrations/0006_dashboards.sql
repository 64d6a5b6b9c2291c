-- What an admin has to decide, counted for every reading of the metrics: among a million items that wait for their product to be created it
-- would have to be looked for. Nothing becomes less HOT by it: `lane` and `reason` are in the predicate of item_retry already.
create index item_to_resolve on shop_update.item (reason)
  where lane = 'blocked' and reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome');

-- The calls by the hour, folded with those by five minutes: a quarter of them is 233,000 rows where call_slot has 2,800,000.
create table shop_update.call_hour (like shop_update.call_slot including all);
insert into shop_update.call_hour (slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
select date_trunc('hour', slot, 'UTC'), topic, flow, outcome, bucket, sum(n), sum(milliseconds), max(slowest) from shop_update.call_slot group by 1, 2, 3, 4, 5;
