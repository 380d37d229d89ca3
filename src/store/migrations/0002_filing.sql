-- Messages are filed into the mailboxes some time after they were committed, many at once (filing.rs).

-- One row. Messages up to this one stand in their mailboxes; of those behind it, some may.
CREATE TABLE filing (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    up_to  INTEGER NOT NULL CHECK (up_to >= 0)
) STRICT;

INSERT INTO filing SELECT 1, coalesce(max(id), 0) FROM messages;

CREATE TABLE new_mailboxes (
    account  INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    head     INTEGER NOT NULL DEFAULT 0 CHECK (head >= 0),      -- seq of the newest entry that was filed
    filed    INTEGER NOT NULL DEFAULT 0 CHECK (filed >= 0),     -- the message of that entry
    cursor   INTEGER NOT NULL DEFAULT 0 CHECK (cursor >= 0)     -- delivered up to here; may be ahead of head
) STRICT;

INSERT INTO new_mailboxes
SELECT account, head, coalesce((SELECT message FROM entries WHERE entries.account = mailboxes.account AND seq = head), 0), cursor
FROM mailboxes;

DROP TABLE mailboxes;

ALTER TABLE new_mailboxes RENAME TO mailboxes;

-- What refers to what is for the tables that say who is there and who wrote. These rows are only the order of those.
CREATE TABLE new_entries (
    account   INTEGER NOT NULL REFERENCES mailboxes (account) ON DELETE CASCADE,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    message   INTEGER NOT NULL,
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO new_entries SELECT account, seq, message FROM entries;

DROP TABLE entries;

ALTER TABLE new_entries RENAME TO entries;
