-- What an admin has to decide, counted for every reading of the metrics: among a million items that wait for their product to be created it
-- would have to be looked for. Nothing becomes less HOT by it: `lane` and `reason` are in the predicate of item_retry already.
create index item_to_resolve on shop_update.item (reason)
  where lane = 'blocked' and reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome');
