-- What a callback did to its item, as migration 23 has it of an answer.
alter table shop_update.callback
  add column taken_at timestamptz,          -- Got response; null: it changed nothing, or its steps are in `step`
  add column taken_from shop_update.status,
  add column taken_seconds real,            -- spent in that
  add column payload_at timestamptz,        -- Building response payload
  add column processing_at timestamptz,     -- Response processing
  add column done_at timestamptz,           -- where the item went then
  add column done_to shop_update.status,
  add column done_reason text,
  add column done_note text;
