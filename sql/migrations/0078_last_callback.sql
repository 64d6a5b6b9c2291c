-- When the Shop last called back, to within ten seconds: no index of the callbacks has their time.
create table shop_update.last_callback (
  one boolean primary key default true check (one),
  at timestamptz                            -- null: not since this table is there
);
insert into shop_update.last_callback default values;
