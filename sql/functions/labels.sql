-- The labels of topics and statuses (docs/requirements.md), for views and dashboards. worker/domain has them too; a
-- test compares the two.
create or replace function shop_update.label(topic shop_update.topic) returns text
language sql immutable parallel safe as $$
  select case topic
    when 'content' then 'Content'
    when 'images' then 'Images'
    when 'new_product_set' then 'New Product (Set)'
    when 'price' then 'Price'
    when 'stock' then 'Stock'
    when 'status' then 'Status'
    when 'consignment_stock' then 'Consignment Stock Change'
    when 'qc_status' then 'QC Status Change'
    when 'new_product' then 'New Product'
  end
$$;

create or replace function shop_update.label(status shop_update.status) returns text
language sql immutable parallel safe as $$
  select case status
    when 'pending' then 'Pending'
    when 'processing' then 'Processing'
    when 'building_payload' then 'Building (Request) payload'
    when 'made_request' then 'Made request'
    when 'got_acknowledgment' then 'Got acknowledgment'
    when 'got_response' then 'Got response'
    when 'building_response_payload' then 'Building response payload'
    when 'response_processing' then 'Response processing'
    when 'synced' then 'Synced'
    when 'delayed' then 'Delayed'
    when 'blocked' then 'Blocked'
    when 'failed' then 'Failed'
  end
$$;

-- The topic's name in the Shop's protocol.
create or replace function shop_update.method(topic shop_update.topic) returns text
language sql immutable parallel safe as $$
  select case
    when shop_update.creates(topic) then 'Product.createProducts'
    when topic in ('content', 'status', 'qc_status') then 'Product.updateProducts'
    when topic = 'price' then 'Product.updatePrices'
    when topic in ('stock', 'consignment_stock') then 'Product.updateStock'
    when topic = 'images' then 'Product.updateImageCollection'
  end
$$;
