-- The roles that functions and views grant to, each in the transaction that creates the object. A role belongs to the
-- whole cluster, so several databases may create it at the same moment; the second finds it there. Give a role to a
-- login with `grant shop_update_… to …`.
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

-- This role queues, and reads and writes nothing else.
grant usage on schema shop_update to shop_update_enqueue;
