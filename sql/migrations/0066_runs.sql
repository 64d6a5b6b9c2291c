-- Actions on many items (docs/decisions.md, decision 27): what was asked, how far it is, and what came of it.
create table shop_update.run (
  id bigint generated always as identity primary key,
  kind text not null,                       -- requeue, creations
  target jsonb not null,                    -- itemIds, productSetIds or filter
  include text[] not null,                  -- statuses that are included of sets and of a filter's matches
  reason text,
  force boolean not null default false,     -- past the three conditions of a requeue
  may_create_twice boolean not null default false, -- also creates that the Shop may have carried out
  previewed jsonb,                          -- the numbers that the person saw before
  created_at timestamptz not null default now(),
  created_by text not null,
  created_by_sub text,
  state text not null default 'running',    -- running, done, stopped
  position text not null default '0',       -- in the target, between two pages
  progressed_at timestamptz not null default now(),
  ended_at timestamptz,
  ended_by text,                            -- null: it came to its end
  result jsonb not null default '{}',       -- numbers of what was done and what was skipped
  outcome jsonb not null default '{}'       -- of the items that have left the queue since, by outcome
);
create index run_running on shop_update.run (id) where state = 'running';

create table shop_update.run_item (
  run_id bigint,
  item_id bigint,
  result text not null,                     -- taken, or why it was skipped
  outcome text,                             -- of what was taken, once it has left the queue
  primary key (run_id, item_id)
);
create index run_item_open on shop_update.run_item (run_id, item_id) where result = 'taken' and outcome is null;
create index run_item_skipped on shop_update.run_item (run_id, item_id) where result <> 'taken';
