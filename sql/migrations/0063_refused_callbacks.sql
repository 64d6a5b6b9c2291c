-- Who was refused at the Shop's listener, so that an admin sees that the Shop itself is locked out. Only the addresses of late are kept.
create table shop_update.refused_callback (
  remote text primary key,                  -- the client's address
  cause text not null,                      -- address: a valid key, from an address that is not on the white list; key; both
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  n bigint not null
);
