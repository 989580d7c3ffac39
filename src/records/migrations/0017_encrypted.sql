-- Whether a call's sound was encrypted. Calls from before do not tell.
ALTER TABLE calls ADD COLUMN encrypted INTEGER;
