-- Durations are counted in buckets that grow by a factor of 1.5, from one millisecond (0) to more than eight days (51).
-- A percentile read from them is off by at most a fifth, and a bucket's share of the history is one row.
create or replace function shop_update.bucket(seconds double precision) returns smallint
language sql immutable parallel safe as $$
  select least(51, greatest(0, ceil(ln(greatest(seconds, 0.001) * 1000) / ln(1.5))))::smallint
$$;

-- The middle (geometric mean) of a bucket, in seconds.
create or replace function shop_update.bucket_seconds(bucket smallint) returns double precision
language sql immutable parallel safe as $$
  select case when bucket = 0 then 0.001 else power(1.5, bucket - 0.5) / 1000 end
$$;
