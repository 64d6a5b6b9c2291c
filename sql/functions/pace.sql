-- How many calls per second leave, this long after a Shop said "wait" (decision 21): none for a quarter of a second,
-- then half of what it took. After two seconds the rate is back at that level, ever more slowly, because that is where
-- the Shop said it. From there it grows ever faster, and doubles after a quarter of a minute.
create or replace function shop_update.pace(per_second double precision, since interval) returns double precision
language sql immutable parallel safe as $$
  select case
    when seconds < 0.25 then 0
    when seconds < 2 then per_second * (1 - 0.5 * power(1 - seconds / 2, 3))
    else per_second * (1 + 0.5 * power((seconds - 2) / 10, 3)) end
  from (select extract(epoch from since)::double precision as seconds) s
$$;
