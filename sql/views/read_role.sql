-- The role of the dashboards: it reads everything but credentials, runs and the audit. Each view grants this itself
-- too: it is replaced in a transaction of its own, and may be read before the rest is in force.
grant usage on schema shop_update, catalog to shop_update_read;
grant select on all tables in schema shop_update, catalog to shop_update_read;
revoke all on shop_update.system_credential, shop_update.callback_key, shop_update.audit,
  shop_update.run, shop_update.run_item, shop_update.run_refused from shop_update_read;
-- Not `usage`, which would allow taking numbers from it.
grant select on sequence shop_update.item_id_seq to shop_update_read;
