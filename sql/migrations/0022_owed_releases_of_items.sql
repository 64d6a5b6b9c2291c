-- What keeps others of its set waiting is a create: while it is in flight, of unknown outcome, or in the queue at all. And an item that has just become
-- Blocked may wait for what has come meanwhile.
create trigger owe_release after update of lane on shop_update.item
  for each row when (
    old.lane <> new.lane and (
      new.lane = 'blocked' and new.reason in ('not_in_shop', 'new_variation')
      or old.topic in ('new_product_set', 'new_product') and (
        old.lane in ('in_flight', 'awaiting')
        or old.lane = 'blocked' and old.reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome'))))
  execute function shop_update.owe_release();
create trigger owe_release_left after delete on shop_update.item
  for each row when (old.topic in ('new_product_set', 'new_product')) execute function shop_update.owe_release();
