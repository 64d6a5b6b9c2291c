-- The login of the workers: what the role shop_update_worker may do, and nothing else. Run by psql after each
-- migration, as grafana-login.sql is.
\getenv password WORKER_DB_PASSWORD
do $$
begin
  if not exists (select from pg_roles where rolname = 'worker') then
    create role worker;
  end if;
end $$;
alter role worker with login nosuperuser nocreatedb nocreaterole nobypassrls password :'password';
grant shop_update_worker to worker;
-- For the metrics of PostgreSQL: the states of other logins' sessions.
grant pg_read_all_stats to worker;
