-- The login of Grafana's data source: it reads what the role shop_update_read may read, and whoever may see a dashboard may send any SQL with it.
-- Run by psql after each migration, so that a new password in .env is taken over and a database from before Grafana gets its login too.
\getenv password GRAFANA_DB_PASSWORD
do $$
begin
  if not exists (select from pg_roles where rolname = 'grafana') then
    create role grafana;
  end if;
end $$;
alter role grafana with login nosuperuser nocreatedb nocreaterole connection limit 20 password :'password';
alter role grafana set default_transaction_read_only = on;
alter role grafana set statement_timeout = '30s';
-- A query that begins a transaction and fails in it leaves its connection, and so every dashboard that gets it next, in an aborted one.
alter role grafana set idle_in_transaction_session_timeout = '100ms';
grant shop_update_read to grafana;
