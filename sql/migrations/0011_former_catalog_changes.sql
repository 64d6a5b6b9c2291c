-- What had been deleted or moved before anybody took note of it. Apart from the triggers: this looks at the whole queue, and they lock the catalogue.
insert into shop_update.catalog_change (product_id, product_set_id, moved)
select distinct i.product_id, i.product_set_id, false from shop_update.item i
where i.product_id is not null and not exists (select from catalog.product p where p.id = i.product_id)
union
select distinct null::bigint, i.product_set_id, false from shop_update.item i
where i.product_id is null and not exists (select from catalog.product p where p.product_set_id = i.product_set_id);

insert into shop_update.catalog_change (product_id, product_set_id, moved)
select distinct on (i.product_id) i.product_id, i.product_set_id, true
from shop_update.item i join catalog.product p on p.id = i.product_id where p.product_set_id <> i.product_set_id
order by i.product_id, i.id
on conflict (product_id) where moved do nothing;
