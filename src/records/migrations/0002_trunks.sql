-- By which trunk a call came, and which header told its calling number. Calls from before have neither.
ALTER TABLE calls ADD COLUMN trunk TEXT;
ALTER TABLE calls ADD COLUMN ani_source TEXT;
