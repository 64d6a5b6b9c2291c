-- What may be told of each valid key of `bob_callback_server`. Which keys are valid is still said by system_credential.key_hashes; a trigger keeps the
-- two in step, so that a worker of the version before may change them as well.
create table shop_update.callback_key (
  id bigint generated always as identity primary key,
  hash bytea not null unique,
  set_at timestamptz not null default now(),
  set_by text,
  last_used_at timestamptz
);

create function shop_update.keep_callback_keys() returns trigger language plpgsql as $$
begin
  delete from shop_update.callback_key where hash <> all (new.key_hashes);
  insert into shop_update.callback_key (hash, set_by) select hash, new.updated_by from unnest(new.key_hashes) hash on conflict (hash) do nothing;
  return null;
end $$;
create trigger keeps_callback_keys after insert or update of key_hashes on shop_update.system_credential
  for each row when (new.name = 'bob_callback_server') execute function shop_update.keep_callback_keys();

-- Of the older one of two nobody has noted when it was set: then, or before.
insert into shop_update.callback_key (hash, set_at)
select hash, coalesce(c.key_set_at, now()) from shop_update.system_credential c, unnest(c.key_hashes) hash
where c.name = 'bob_callback_server' on conflict (hash) do nothing;

-- A name may be changed, and given to somebody else: who acted is kept as Grafana signs it, `user:1`.
alter table shop_update.audit add column actor_sub text;
