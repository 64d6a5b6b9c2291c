-- Runs that discard, and that send topics of products (docs/decisions.md, decision 27).
alter table shop_update.run add column topics text[] not null default '{}';   -- what a run sends of each product

alter table shop_update.run_item add column product_set_id bigint;            -- of what was taken

-- What a run has not sent, and why. There is no item of it.
create table shop_update.run_refused (
  run_id bigint,
  product_id bigint,
  topic text,
  result text not null,                     -- why
  primary key (run_id, product_id, topic)
);
