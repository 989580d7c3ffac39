-- Whether the calling number was kept back, and what the network's check of it came to. Of calls from before,
-- neither is known: they say that it was not, and that nothing was told.
ALTER TABLE calls ADD COLUMN ani_withheld BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE calls ADD COLUMN ani_verstat TEXT;
ALTER TABLE calls ADD COLUMN ani_attestation TEXT;
