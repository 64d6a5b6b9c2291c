-- How long the Shop usually takes from its acknowledgment to its final answer (docs/decisions.md, decision 30). The leader measures it every five
-- minutes; a topic of which too little is known has no row.
create table shop_update.usual_answer (
  topic shop_update.topic primary key,
  seconds real not null,                    -- within which 95 % were answered
  measured_at timestamptz not null default now()
);
