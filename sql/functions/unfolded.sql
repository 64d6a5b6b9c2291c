-- What is not in the counters and roll-ups yet: whoever adds it to them has the exact numbers of this moment. By the index always: PostgreSQL
-- cannot know how little of the table is left behind `up_to`.
create or replace function shop_update.unfolded() returns setof shop_update.delta
language sql stable rows 1000 set enable_seqscan = off as $$
  select * from shop_update.delta where xact >= (select up_to from shop_update.folded)
$$;
