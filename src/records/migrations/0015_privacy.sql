-- When what a call tells of a person was erased at somebody's wish. Its trace, should it come later, is not kept.
ALTER TABLE calls ADD COLUMN erased_at TEXT;
