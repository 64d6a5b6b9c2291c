-- What ANALYZE noted of a queue that had drained but for a few was wrong for the next burst, and stayed until 20,000
-- changes later. With 3 to 15,000 items left (Failed alone, or of one product set, or in one lane) claims walked all
-- that is ready or Delayed for each item of a large set: 290 to 970 pages an item, and 60 to 63 now; giving turns took
-- up to 4,400, and takes 46. Three columns decide: run_at (if all that is left has no retry, nothing is found before
-- 'infinity'); how many product sets there are; and the lane.
--
-- So ANALYZE does not note the first any more, and takes it that a set has four items. Of the lanes it notes what there
-- is, because the pages need it (with none noted the numbers above the queue read 24,000 pages of 100,000 items, not
-- 8,000); what it does not find, shop_update.mend_statistics adds.
alter table shop_update.item
  alter column run_at set statistics 0,
  alter column product_set_id set (n_distinct = -0.25);
do $$ begin
  perform pg_clear_attribute_stats('shop_update', 'item', 'run_at', false);
  perform pg_restore_attribute_stats(
    'schemaname', 'shop_update',
    'relname', 'item',
    'attname', 'product_set_id',
    'inherited', false,
    'n_distinct', (-0.25)::real);
end $$;
