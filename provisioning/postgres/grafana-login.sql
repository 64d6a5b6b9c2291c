-- The login of Grafana's data source: it reads what the role shop_update_read may read, and whoever may see a dashboard
-- may send any SQL with it. Run by psql as a superuser after each migration, so that a new password in .env is taken
-- over and a database from before Grafana gets its login too. What it cannot take away: a login may change its own
-- password and time-outs, and use memory and processor time. Against that there is only a replica:
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
-- A query that begins a transaction and fails in it leaves its connection, and so every dashboard that gets it next, in
-- an aborted one.
alter role grafana set idle_in_transaction_session_timeout = '100ms';
-- Sorts and joins that do not fit into memory; only a superuser may raise it.
alter role grafana set temp_file_limit = '256MB';
grant shop_update_read to grafana;

-- What everybody may do by default, and one SELECT stops the queue with: fill the lock table, the notification queue or
-- the disk, or end a session. It is taken from everybody and given to the worker and to whichever login there is
-- already: what Seller Center does today goes on. A login that comes later and needs it: `grant shop_update_trusted to
-- …`.
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
      and not proname in ('lo_import', 'lo_export') -- a superuser's anyway
    union all select 'language plpgsql' -- anonymous blocks: loops and subtransactions without end
  loop
    execute format('revoke all on %s from public', what);
    execute format('grant %s on %s to shop_update_trusted',
      case when what like 'language%' then 'usage' else 'execute' end, what);
  end loop;
  -- temporary tables are not among what temp_file_limit counts
  execute format('revoke temporary on database %I from public', current_database());
  execute format('grant temporary on database %I to shop_update_trusted', current_database());
end $$;
