-- The login of the workers: it has the rights of the role shop_update_worker and no others. psql runs this after each
-- migration, as with grafana-login.sql.
\getenv password WORKER_DB_PASSWORD
do $$
begin
  if not exists (select from pg_roles where rolname = 'worker') then
    create role worker;
  end if;
end $$;
alter role worker with login nosuperuser nocreatedb nocreaterole nobypassrls password :'password';
grant shop_update_worker to worker;
-- For the metrics about PostgreSQL: the states of other logins' sessions.
grant pg_read_all_stats to worker;
