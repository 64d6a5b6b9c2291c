-- The topics that are paused now: as an uncorrelated subquery it is read once a statement.
create or replace function shop_update.paused_topics() returns shop_update.topic[]
language sql stable parallel safe
begin atomic
  select coalesce(array_agg(distinct p.topic), '{}') from shop_update.pause p
  where p.topic is not null and shop_update.in_force(p.from_at, p.until_at, p.ends_itself, p.ended_at);
end;
