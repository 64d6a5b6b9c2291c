-- What a version before has left in a set that its product had passed through: Failed, nothing else would take it along.
insert into shop_update.catalog_change (product_id, product_set_id, moved)
select distinct i.product_id, i.product_set_id, false
from shop_update.item i join catalog.product p on p.id = i.product_id
where p.product_set_id <> i.product_set_id and i.lane <> 'in_flight';
