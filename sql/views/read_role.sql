-- The role that dashboards read with: everything but credentials and the record of who did what. Each view says it
-- itself as well: it is replaced in a transaction of its own, and may be read while the rest is still to come.
grant usage on schema shop_update, catalog to shop_update_read;
grant select on all tables in schema shop_update, catalog to shop_update_read;
revoke all on shop_update.system_credential, shop_update.callback_key, shop_update.audit from shop_update_read;
-- Not `usage`, which may take numbers from it.
grant select on sequence shop_update.item_id_seq to shop_update_read;
