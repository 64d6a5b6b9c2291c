-- Calls a second that leave for a Shop that has said "wait" (decision 21), so long after: none for a quarter of a
-- second, then half of what it took; in two seconds back to that, ever slower, for that is where it said so; from there
-- ever faster beyond it, twice as many after a quarter of a minute.
create or replace function shop_update.pace(per_second double precision, since interval) returns double precision
language sql immutable parallel safe as $$
  select case
    when seconds < 0.25 then 0
    when seconds < 2 then per_second * (1 - 0.5 * power(1 - seconds / 2, 3))
    else per_second * (1 + 0.5 * power((seconds - 2) / 10, 3)) end
  from (select extract(epoch from since)::double precision as seconds) s
$$;
