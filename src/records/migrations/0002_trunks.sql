-- By which trunk a call came, which header told its calling number, and what was dialled before it was diverted
-- to us. Calls from before have none of these.
ALTER TABLE calls ADD COLUMN trunk TEXT;
ALTER TABLE calls ADD COLUMN ani_source TEXT;
ALTER TABLE calls ADD COLUMN first_dialled TEXT;
