-- One row per call, written once, after the call. Instants are UTC text of one width, "2026-11-23T10:00:00.000000000Z",
-- so that they sort as they fell and SQLite's own date functions read them.
CREATE TABLE calls (
    id                  TEXT PRIMARY KEY NOT NULL,
    version             INTEGER NOT NULL,
    line                TEXT NOT NULL,
    ani                 TEXT,
    started_at          TEXT NOT NULL,
    answered_at         TEXT,
    ended_at            TEXT NOT NULL,
    customer            TEXT,
    name                TEXT,
    identified_by       TEXT,
    identifier_attempts INTEGER NOT NULL,
    secret_attempts     INTEGER NOT NULL,
    opted_out           INTEGER NOT NULL,
    back_end_failure    TEXT,
    verdict             TEXT NOT NULL,
    hand_over_target    TEXT,
    token               TEXT,
    hand_over_outcome   TEXT,
    hand_over_status    INTEGER,
    ended_by            TEXT NOT NULL,
    reason              TEXT,
    packets_sent        INTEGER NOT NULL,
    packets_received    INTEGER NOT NULL,
    packets_lost        INTEGER NOT NULL,
    jitter_ms           REAL NOT NULL,
    remote_loss         REAL
) WITHOUT ROWID;

CREATE INDEX calls_by_start ON calls (started_at);
CREATE INDEX calls_by_line ON calls (line, started_at);
CREATE INDEX calls_by_token ON calls (token) WHERE token IS NOT NULL;
