-- What the recording of a call is called, in the folder of recordings. Calls from before have none.
ALTER TABLE calls ADD COLUMN recording TEXT;
