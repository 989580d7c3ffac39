-- What the caller's side reported of our packets, and what that means to an ear. Calls from before have none.
ALTER TABLE calls ADD COLUMN remote_jitter_ms REAL;
ALTER TABLE calls ADD COLUMN round_trip_ms REAL;
ALTER TABLE calls ADD COLUMN remote_opinion REAL;
