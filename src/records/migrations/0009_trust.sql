-- What had too many failed proofs, and whether the caller accepted the notice. Calls from before tell neither.
ALTER TABLE calls ADD COLUMN locked TEXT;
ALTER TABLE calls ADD COLUMN consent INTEGER;
