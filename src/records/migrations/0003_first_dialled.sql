-- What the caller dialled, where a trunk says that the call was diverted to us. Calls from before have none.
ALTER TABLE calls ADD COLUMN first_dialled TEXT;
