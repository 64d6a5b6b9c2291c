-- no transaction
-- Each change looks at the workers that are alive. By index: while somebody holds a snapshot, the rows of all heartbeats since are kept.
create index concurrently worker_heartbeat on shop_update.worker (heartbeat_at);
