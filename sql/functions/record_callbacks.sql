-- Records callbacks as they came, in the order of the arrays, and says of each what it is. One round trip, and its
-- commit: with four of them (begin, lock, insert, commit) a worker recorded a third less.
--
-- It first takes an advisory lock on each request ID and then looks for earlier callbacks. A function, because each
-- statement in it sees what is committed at its own start: a plain statement that waited for the lock would not see
-- what the lock's holder committed meanwhile, and would record the same callback twice. (A unique index cannot be the
-- guard either: on a table partitioned by time it would have to contain the time.) All take their locks in the same
-- order, so there is no deadlock.
--
-- A request is looked up in the newest partition first, and its earlier callbacks only in partitions since it was sent.
-- An unknown ID has no past: it may become the ID of a request later, and its callback is accepted then.
--
-- `keys`: the request IDs; null where there can be no such ID. `digests` are in hex. `to_apply`: it does something to
-- its item.
create or replace function shop_update.record_callbacks(
  keys bigint[], request_ids text[], digests text[], remotes text[], bodies text[], trace_ids text[]
) returns table (
  outcome text, to_apply boolean, item_id bigint, answers text, topic shop_update.topic, flow shop_update.flow,
  seller_id bigint, product_set_id bigint, product_id bigint
) language plpgsql as $$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(hashtext('shop_update.callback'), k.lock) from (
    select distinct hashtext(key::text) as lock from unnest(keys) x (key) where key is not null order by lock) k;
  return query
    with x as materialized (
      select
        x.*,
        r.item_id,
        r.flow,
        r.trace_id as answers,
        i.id is not null as in_queue,
        i.topic,
        i.seller_id,
        i.product_set_id,
        i.product_id,
        row_number() over (partition by x.request_id, x.digest order by x.place) > 1 or exists (
          select from shop_update.callback c
          where c.request_id = x.request_id and c.received_at >= r.sent_at
            and c.received_at < now() + interval '1 day'
            and c.digest = decode(x.digest, 'hex') and c.outcome <> 'unknown'
        ) as repeated
      from unnest(keys, request_ids, digests, remotes, bodies, trace_ids) with ordinality
        x (key, request_id, digest, remote, body, trace_id, place)
      left join lateral (
        select item_id, sent_at, flow, trace_id from shop_update.request r
        -- the days to come are there already
        where r.request_id = x.key and r.sent_at < now() + interval '1 day' order by sent_at desc limit 1) r on true
      left join shop_update.item i on i.id = r.item_id
    ),
    judged as materialized (
      select
        x.*,
        o.outcome,
        o.outcome = 'accepted' or o.outcome = 'late' and exists (
          -- a create that succeeded in the Shop always has consequences: see worker/life/late-callbacks.ts
          select from shop_update.finished_item f
          where f.id = x.item_id and shop_update.creates(f.topic)) as to_apply
      from x cross join lateral (
        select case
          when x.item_id is null then 'unknown'
          when x.repeated then 'duplicate'
          when x.in_queue then 'accepted'
          else 'late' end as outcome) o
    ),
    recorded as (
      insert into shop_update.callback (applied_at, request_id, item_id, outcome, digest, remote, body, trace_id)
      select case when not j.to_apply then now() end, j.request_id, j.item_id, j.outcome, decode(j.digest, 'hex'),
        j.remote::inet, j.body, j.trace_id
      from judged j order by j.place
    )
    select j.outcome, j.to_apply, j.item_id, j.answers, j.topic, j.flow, j.seller_id, j.product_set_id, j.product_id
    from judged j order by j.place;
end $$;
