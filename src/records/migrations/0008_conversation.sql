-- What a conversation came to besides its verdict. Lists are names with spaces between them. Calls from before have none.
ALTER TABLE calls ADD COLUMN identifier TEXT;
ALTER TABLE calls ADD COLUMN factors TEXT;
ALTER TABLE calls ADD COLUMN language TEXT;
ALTER TABLE calls ADD COLUMN lines TEXT;
ALTER TABLE calls ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN contained INTEGER NOT NULL DEFAULT 0;
