-- A worker that looks for changes by itself needs not be woken. One of a version that does not know the column is never awake.
alter table shop_update.worker add column awake boolean not null default false;
