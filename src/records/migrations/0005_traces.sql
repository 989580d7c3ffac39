-- The SIP messages of a call, without their secrets: JSON, compressed with LZ4, the plain length in front. Kept for
-- a shorter time than the call's record, and deleted by the instant of the last message.
CREATE TABLE traces (
    call     TEXT PRIMARY KEY NOT NULL,
    ended_at TEXT NOT NULL,
    messages BLOB NOT NULL
);

CREATE INDEX traces_by_end ON traces (ended_at);
