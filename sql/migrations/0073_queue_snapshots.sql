-- The queue as it was, for charts: counted every five minutes from the counters, once by whichever worker leads. A snapshot has a row of its own,
-- so that an empty queue is told from a time in which nobody counted, and so that whoever comes second adds nothing to it.
create table shop_update.queue_snapshot (
  slot timestamptz primary key              -- of five minutes
);
create table shop_update.queue_snapshot_count (
  slot timestamptz,
  topic shop_update.topic,
  status shop_update.status,                -- not Synced: that has left the queue
  n bigint not null,                        -- never nought
  primary key (slot, topic, status)
);
