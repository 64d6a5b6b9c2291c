-- What each worker tells with its heartbeat of a Shop that is away, and how fast it sends.
alter table shop_update.worker
  add column calls_per_second real,
  add column shop_away_since timestamptz,   -- null: the Shop answers this worker
  add column next_probe_at timestamptz,
  add column shop_error text;

-- What is or was wrong, as the leader saw it: for the record, and so that each is told of once.
create table shop_update.incident (
  id bigint generated always as identity primary key,
  kind text not null,
  key text not null,                        -- tells incidents of a kind apart: the id of a pause; else empty
  since timestamptz not null,
  ended_at timestamptz
);
create unique index incident_open on shop_update.incident (kind, key) where ended_at is null;
create index incident_ended on shop_update.incident (ended_at);
