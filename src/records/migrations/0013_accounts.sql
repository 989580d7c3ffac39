-- Who may log in, and what programs may ask. Of passwords and tokens only hashes are here.
CREATE TABLE users (
    name       TEXT PRIMARY KEY NOT NULL,
    password   TEXT NOT NULL, -- argon2id, as a PHC string
    role       TEXT NOT NULL,
    disabled   INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL
);
CREATE TABLE tokens (
    name       TEXT PRIMARY KEY NOT NULL,
    hash       BLOB NOT NULL UNIQUE, -- SHA-256 of the token
    scopes     TEXT NOT NULL, -- words with spaces between them
    created_at TEXT NOT NULL,
    expires_at TEXT
);
