-- The roles that functions and views are for: each grants what it makes in the transaction that makes it. A role
-- belongs to the whole cluster, so several databases may create it at the same moment; who comes second finds it there.
-- Give one to a login with `grant shop_update_… to …`.
do $$
declare
  name text;
begin
  foreach name in array array['shop_update_read', 'shop_update_worker', 'shop_update_enqueue'] loop
    begin
      if not exists (select from pg_roles where rolname = name) then
        execute format('create role %I nologin', name);
      end if;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
end $$;

-- Whoever has this one queues, and reads and writes nothing.
grant usage on schema shop_update to shop_update_enqueue;
