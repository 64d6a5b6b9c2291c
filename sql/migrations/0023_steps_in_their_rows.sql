-- An attempt without trouble wrote eight rows of history beside the two that say what was sent and what came back. Its steps live in those
-- two now: what leads to the call in the row of the request, what the answer leads to in that of the answer; the first step of all is the
-- item's own. Steps that belong to neither keep a row, in `step`; the view `transition` is all of them. What was written before stays where
-- it is.
alter table shop_update.item
  add column came_at timestamptz,           -- a claim, or a change that it absorbed after a failure: when it came to the status that it has then
  add column came_from shop_update.status,  -- out of which
  add column came_seconds real;             -- spent in that

alter table shop_update.request
  add column claimed_at timestamptz,        -- Processing; null: the steps of this attempt are in `step`
  add column claimed_from shop_update.status,
  add column claimed_seconds real,
  add column built_at timestamptz;          -- Building payload; `sent_at` is Made request

alter table shop_update.answer
  add column made_seconds real,             -- spent in Made request; null: the steps that follow are in `step`
  add column payload_at timestamptz,        -- Building response payload; `answered_at` is Got response
  add column processing_at timestamptz,     -- Response processing
  add column done_at timestamptz,           -- where the item went then
  add column done_to shop_update.status,
  add column done_reason text,
  add column done_note text;

alter table shop_update.transition rename to step;
do $$
declare
  name text;
begin
  for name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'shop_update.step'::regclass
  loop
    execute format('alter table shop_update.%I rename to %I', name, replace(name, 'transition', 'step'));
  end loop;
end $$;

-- Until functions and views have been replaced, and for workers of the version before: what they write comes into `step`.
create view shop_update.transition as select * from shop_update.step;
do $$
declare
  granted record;
begin
  for granted in
    select distinct a.grantee::regrole as name, a.privilege_type as privilege
    from pg_class c cross join aclexplode(c.relacl) a
    where c.oid = 'shop_update.step'::regclass and a.grantee <> 0 and a.privilege_type in ('INSERT', 'SELECT')
  loop
    execute format('grant %s on shop_update.transition to %s', granted.privilege, granted.name);
  end loop;
end $$;
