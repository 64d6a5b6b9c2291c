-- A call as people know it: the request and its answer. They are stored apart, so that neither is written twice.
drop view if exists shop_update.call;
create view shop_update.call as
select
  r.request_id,
  r.item_id,
  r.body::json ->> 'method' as method,
  r.flow,
  r.sent_at,
  a.answered_at,
  a.milliseconds,
  a.http_status,
  a.outcome,
  r.body as request,                        -- without the auth element
  a.body as response,
  r.trace_id
from shop_update.request r
left join shop_update.answer a on a.item_id = r.item_id and a.request_id = r.request_id;

grant select on shop_update.call to shop_update_read;
