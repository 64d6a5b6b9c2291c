-- What an application keeps beside a job queue so that people can see what happened: the change, its history, its
-- calls. Indexed where the same is looked up here. No counters, partitions, coalescing, retry table, fencing or
-- fairness.
create schema app;
create type app.status as enum (
  'pending', 'processing', 'building_payload', 'made_request', 'got_response', 'building_response_payload',
  'response_processing', 'synced');

create table app.change (
  id bigint generated always as identity primary key,
  product_set_id bigint not null,
  product_id bigint not null,
  queued_at timestamptz not null default now(),
  status_at timestamptz not null default now(),
  request_id bigint,
  sends int not null default 0,
  status app.status not null default 'pending',
  trace_id text
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);
-- A change waits for the older ones of its set.
create index on app.change (product_set_id, id) where status <> 'synced';
create sequence app.request_id start 100001;

create table app.transition (
  item_id bigint not null,
  at timestamptz not null,
  from_status app.status,
  to_status app.status not null,
  seconds real
);
create index on app.transition (item_id);

create table app.request (
  request_id bigint not null,
  item_id bigint not null,
  sent_at timestamptz not null,
  trace_id text not null,
  body text not null
);
create index on app.request (request_id);
create index on app.request (item_id);

create table app.answer (
  request_id bigint not null,
  item_id bigint not null,
  answered_at timestamptz not null,
  milliseconds real not null,
  http_status smallint not null,
  body text not null
);
create index on app.answer (item_id);
