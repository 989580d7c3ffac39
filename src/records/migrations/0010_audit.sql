-- Who touched what: rows are added, and neither changed nor deleted. Each row's hash covers its content and the hash of
-- the row before it, so that whatever is done past the triggers shows. "at" is text as in calls.
CREATE TABLE audit (
    row        INTEGER PRIMARY KEY NOT NULL,
    at         TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor      TEXT NOT NULL,
    deed       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    detail     TEXT NOT NULL,
    hash       BLOB NOT NULL
);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

-- INSERT OR REPLACE would delete without the trigger above.
CREATE TRIGGER audit_is_added_to_at_its_end BEFORE INSERT ON audit
WHEN NEW.row <> 1 + (SELECT coalesce(max(row), 0) FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to, at its end'); END;
