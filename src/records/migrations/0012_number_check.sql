-- Whose check of the calling number it was, and why ours did not show it to be right. Calls from before were checked by their
-- trunks' networks, where they were.
ALTER TABLE calls ADD COLUMN ani_checked_by TEXT;
ALTER TABLE calls ADD COLUMN ani_check_fault TEXT;
UPDATE calls SET ani_checked_by = 'trunk' WHERE ani_verstat IS NOT NULL;
