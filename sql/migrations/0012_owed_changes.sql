-- Changes that an answer makes necessary: what a create had absorbed after its request had left, an update that reached a product under an id that
-- it no longer has. Noted with the answer, in one commit, and queued by the leader: queueing may have to wait for Seller Center, and no answer may.
create table shop_update.owed_change (
  id bigint generated always as identity primary key,
  topic shop_update.topic not null,
  product_id bigint,                        -- null for the topics of a whole set
  product_set_id bigint,                    -- for those
  at timestamptz not null default now()
);
