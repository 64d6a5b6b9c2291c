-- Why a person did it, in his words: where the step has an actor, and he gave one.
alter table shop_update.transition add column note text;
