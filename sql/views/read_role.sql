-- The role that dashboards read with: everything but credentials and the record of who did what. A role belongs to the whole cluster, so several
-- databases may create it at the same moment; who comes second finds it there. Give a login to it with `grant shop_update_read to …`.
do $$
begin
  if not exists (select from pg_roles where rolname = 'shop_update_read') then
    create role shop_update_read nologin;
  end if;
exception when duplicate_object or unique_violation then
  null;
end $$;

grant usage on schema shop_update, catalog to shop_update_read;
grant select on all tables in schema shop_update, catalog to shop_update_read;
revoke all on shop_update.system_credential, shop_update.callback_key, shop_update.audit from shop_update_read;
