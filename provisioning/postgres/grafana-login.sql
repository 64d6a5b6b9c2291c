-- The login of Grafana's data source: it reads what the role shop_update_read may read, and anyone who may view a
-- dashboard may send any SQL with it. psql runs this as a superuser after each migration, so that a new password in
-- .env takes effect, and a database from before Grafana gets the login too. It cannot prevent that a login changes its
-- own password and time-outs, or uses memory and processor time. Only a replica helps against that:
-- POSTGRES_READ_ADDRESS.
\getenv password GRAFANA_DB_PASSWORD
do $$
begin
  if not exists (select from pg_roles where rolname = 'grafana') then
    create role grafana;
  end if;
end $$;
alter role grafana with
  login nosuperuser nocreatedb nocreaterole noreplication nobypassrls connection limit 20 password :'password';
alter role grafana reset all; -- what it may have set for itself
alter role grafana set default_transaction_read_only = on;
alter role grafana set statement_timeout = '30s';
-- A query that begins a transaction and fails leaves its connection in an aborted one, and so every dashboard that gets
-- it next.
alter role grafana set idle_in_transaction_session_timeout = '100ms';
-- For sorts and joins that do not fit in memory; only a superuser may raise it.
alter role grafana set temp_file_limit = '256MB';
grant shop_update_read to grafana;

-- Rights that everybody has by default, and with which one SELECT stops the queue: it fills the lock table, the
-- notification queue or the disk, or ends a session. They are revoked from everybody and granted to the worker and to
-- every existing login, so that Seller Center goes on as today. A later login that needs them: `grant
-- shop_update_trusted to …`.
do $$
declare
  what text;
  login text;
begin
  if not exists (select from pg_roles where rolname = 'shop_update_trusted') then
    create role shop_update_trusted nologin;
    for login in
      select rolname from pg_roles
      where rolcanlogin and not rolsuper and rolname <> 'grafana'
        and not pg_has_role(rolname, 'shop_update_read', 'member')
    loop
      execute format('grant shop_update_trusted to %I', login);
    end loop;
  end if;
  grant shop_update_trusted to shop_update_worker;
  for what in
    select format('function %s', oid::regprocedure) from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace
      and (proname ~ '^(pg_advisory_|pg_try_advisory_|lo_)'
        or proname in (
          'loread', 'lowrite', 'pg_notify', 'pg_logical_emit_message', 'pg_export_snapshot', 'pg_cancel_backend',
          'pg_terminate_backend'))
      and not proname in ('lo_import', 'lo_export') -- for superusers anyway
    union all select 'language plpgsql' -- anonymous blocks: endless loops and subtransactions
  loop
    execute format('revoke all on %s from public', what);
    execute format('grant %s on %s to shop_update_trusted',
      case when what like 'language%' then 'usage' else 'execute' end, what);
  end loop;
  -- temp_file_limit does not count temporary tables
  execute format('revoke temporary on database %I from public', current_database());
  execute format('grant temporary on database %I to shop_update_trusted', current_database());
end $$;
