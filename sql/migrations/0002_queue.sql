-- The queue. What is hot is narrow and has no index on `status`: an index or index predicate on it would make every transition a new index
-- entry in every index (measured: 0 % against 77 % HOT updates, 5.3 against 2.8 KB of WAL an item). `lane` is the coarse state that indexes
-- may know; it changes where an item changes hands, not where it moves on.



create type shop_update.topic as enum
  ('content', 'images', 'new_product_set', 'price', 'stock', 'status', 'consignment_stock', 'qc_status', 'new_product');
create type shop_update.status as enum
  ('pending', 'processing', 'building_payload', 'made_request', 'got_acknowledgment', 'got_response', 'building_response_payload',
   'response_processing', 'synced', 'delayed', 'blocked', 'failed');
create type shop_update.flow as enum ('synchronous', 'asynchronous');
create type shop_update.lane as enum
  ('ready',        -- Pending, or due for its retry: may be claimed
   'behind',       -- Pending, waits for its turn in its product set
   'in_flight',    -- a worker holds it, and with it the product set
   'awaiting',     -- Got acknowledgment: waits for the Shop's callback, holds nothing
   'delayed',      -- Delayed or Failed: waits for run_at ('infinity': retries exhausted)
   'blocked');     -- waits for a create, or for an admin

create table shop_update.item (
  id bigint generated always as identity primary key,
  seller_id bigint not null,
  product_set_id bigint not null,
  product_id bigint,                        -- null for the topics of a whole set
  queued_at timestamptz not null,
  entered_at timestamptz not null,          -- when it last entered the queue: X-SC-Enqueued-At
  status_at timestamptz not null,
  run_at timestamptz not null,
  last_sent_at timestamptz,
  failed_at timestamptz,                    -- the last failure of the present retry cycle
  request_id bigint,                        -- of the last attempt
  token int not null default 0,             -- fencing: a claim adds one, and every later write of that worker asks for it
  sends int not null default 0,             -- requests made, ever
  failures int not null default 0,          -- in the present retry cycle
  coalesced int not null default 0,
  topic shop_update.topic not null,
  status shop_update.status not null,
  lane shop_update.lane not null,
  flow shop_update.flow,                    -- that the last request was sent in
  fresh boolean not null default true,      -- not yet picked by any worker
  reason text,
  message text,
  trace_id text
) with (
  fillfactor = 50,                          -- half of each page is room for HOT updates (30 gained nothing more, 100 left 23 % HOT)
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000, vacuum_truncate = off
);
-- queued_at, so that the claim cannot be planned along the primary key, which looks at the whole backlog of all the other sellers
create index item_ready on shop_update.item (seller_id, queued_at, id) where lane = 'ready';
create index item_behind on shop_update.item (product_set_id, (topic in ('new_product_set', 'new_product')) desc, id) where lane = 'behind';
create index item_awaiting on shop_update.item (id) where lane = 'awaiting';
create index item_due on shop_update.item (run_at, id) where lane = 'delayed';
create index item_delayed on shop_update.item (product_set_id, topic) where lane = 'delayed';
-- Delayed and Failed, waiting or due: the reason changes only where the lane does
create index item_retry on shop_update.item (id) where reason in ('failure', 'stock_wait');
create index item_blocked on shop_update.item (id) where lane = 'blocked';
-- Of an item in flight its set_lane knows; leaving it out here saves an index entry with every claim.
create index item_set on shop_update.item (product_set_id, topic, product_id) where lane <> 'in_flight';
-- Two transactions that queue the same change at the same moment end as one item: the second waits here for the first.
create unique index item_fresh on shop_update.item (product_set_id, topic, product_id) nulls not distinct where fresh;

-- A product set of which an item is in flight (item_id) or waits its turn. One item of a set at a time, whatever the size of the set.
create table shop_update.set_lane (
  product_set_id bigint primary key,
  item_id bigint,                           -- in flight; null: free
  worker_id bigint,
  next_id bigint,                           -- whose turn it is
  waiting int not null default 0            -- items in lane `behind`
) with (
  fillfactor = 60,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off
);

create sequence shop_update.request_id start 100001;

-- One row a worker process. An item in flight lives as long as its worker's heartbeat.
create table shop_update.worker (
  id bigint generated always as identity primary key,
  name text not null,
  started_at timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  flow shop_update.flow not null,
  state text not null default 'running'     -- or stopping
) with (fillfactor = 50);

-- Which worker does what must be done once (folding, recovery, partitions), until when.
create table shop_update.leader (
  one boolean primary key default true check (one),
  worker_id bigint not null,
  until timestamptz not null
);

-- History: append-only, by day, dropped as a whole.
create table shop_update.transition (
  item_id bigint not null,
  at timestamptz not null,
  from_status shop_update.status,
  to_status shop_update.status not null,
  seconds real,                             -- spent in from_status
  reason text,
  actor text                                -- the person, where it was one
) partition by range (at);
create index on shop_update.transition (item_id);

create table shop_update.request (
  request_id bigint not null,
  item_id bigint not null,
  sent_at timestamptz not null,
  flow shop_update.flow not null,
  trace_id text,
  body text not null                        -- the call as JSON; the auth element is never stored
) partition by range (sent_at);
create index on shop_update.request (request_id);
create index on shop_update.request (item_id);

create table shop_update.answer (
  request_id bigint not null,
  item_id bigint not null,
  answered_at timestamptz not null,
  milliseconds real not null,
  http_status smallint,                     -- null: no answer came
  outcome text not null,                    -- success, acknowledged, failure, unprocessable, unreachable
  body text
) partition by range (answered_at);
create index on shop_update.answer (item_id);

create table shop_update.finished_item (
  id bigint not null,
  seller_id bigint not null,
  product_set_id bigint not null,
  product_id bigint,
  queued_at timestamptz not null,
  finished_at timestamptz not null,
  last_sent_at timestamptz,
  request_id bigint,
  sends int not null,
  failures int not null,
  coalesced int not null,
  topic shop_update.topic not null,
  status shop_update.status not null,       -- synced, or the one in which an admin discarded it
  flow shop_update.flow,
  reason text,
  message text,
  trace_id text
) partition by range (finished_at);
create index on shop_update.finished_item (id);
create index on shop_update.finished_item (product_set_id);

-- Every callback as it came. `applied_at` is null until the item has taken it.
create table shop_update.callback (
  id bigint generated always as identity,
  received_at timestamptz not null default now(),
  applied_at timestamptz,
  request_id text not null,
  item_id bigint,
  outcome text not null,                    -- accepted, duplicate, late, unknown
  digest bytea not null,                    -- SHA-256 of the result: the same one again changes nothing
  remote inet,
  body text not null                        -- the result as JSON
) partition by range (received_at);
create index on shop_update.callback (request_id);
create index on shop_update.callback (item_id) where applied_at is null;

-- Numbers on screens are never count(*) over the queue. Each statement appends what it changed; a leader folds it.
create table shop_update.delta (
  kind text not null,                       -- status | queued | synced | call
  slot timestamptz,                         -- hour (queued, synced: of queued_at) or five minutes (call)
  topic shop_update.topic not null,
  status shop_update.status,
  flow shop_update.flow,
  outcome text,
  bucket smallint,                          -- of shop_update.bucket(): a duration
  n int not null,
  milliseconds double precision,
  slowest real
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);   -- truncated after a burst: it is always read as a whole

create table shop_update.status_count (
  topic shop_update.topic,
  status shop_update.status,
  n bigint not null,
  primary key (topic, status)
) with (fillfactor = 50);

create table shop_update.kpi_hour (
  hour timestamptz,                         -- in which the items were queued
  topic shop_update.topic,
  bucket smallint,                          -- time to sync; -1: queued
  n bigint not null,
  primary key (hour, topic, bucket)
);

create table shop_update.call_slot (
  slot timestamptz,                         -- five minutes
  topic shop_update.topic,
  flow shop_update.flow,
  outcome text,
  bucket smallint,
  n bigint not null,
  milliseconds double precision not null,
  slowest real not null,
  primary key (slot, topic, flow, outcome, bucket)
);

create table shop_update.setting (
  key text primary key,
  value jsonb not null,
  updated_at timestamptz not null default now(),
  updated_by text
);
insert into shop_update.setting (key, value) values
  ('shop_update/flow', '"synchronous"'), ('shop_update/stock_wait_seconds', '600');

-- Keys are kept as hashes. Two may be valid at once, so that the Shop can change over.
create table shop_update.system_credential (
  name text primary key,
  allowed_ips text[] not null default '{}',
  key_hashes bytea[] not null default '{}', -- the newest first
  key_set_at timestamptz,
  updated_at timestamptz not null default now(),
  updated_by text
);
insert into shop_update.system_credential (name) values ('bob_callback_server');

-- Who did what by hand: every write of the internal API.
create table shop_update.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  detail jsonb not null default '{}'
);
