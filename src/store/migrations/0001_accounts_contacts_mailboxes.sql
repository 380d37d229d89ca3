-- Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE accounts (
    -- AUTOINCREMENT: the number of an erased account is never given to another.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    login       TEXT    NOT NULL UNIQUE,      -- normalised: PRECIS UsernameCaseMapped
    email       TEXT    NOT NULL,
    password    TEXT    NOT NULL,             -- argon2id, PHC string
    disabled    INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE contacts (
    owner    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    contact  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, contact)
) STRICT, WITHOUT ROWID;

-- Who is to be told that somebody came or went.
CREATE INDEX contacts_by_contact ON contacts (contact, owner);

-- One row for each account. It stands apart from accounts because it changes with every message, and small rows
-- share pages.
CREATE TABLE mailboxes (
    account  INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    head     INTEGER NOT NULL DEFAULT 0 CHECK (head >= 0),                      -- seq of the newest entry
    cursor   INTEGER NOT NULL DEFAULT 0 CHECK (cursor BETWEEN 0 AND head)       -- delivered up to here
) STRICT;

CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    sender     INTEGER NOT NULL REFERENCES accounts (id),
    recipient  INTEGER NOT NULL REFERENCES accounts (id),
    sent_at    INTEGER NOT NULL,
    text       TEXT    NOT NULL
) STRICT;

-- A mailbox: its entries are numbered from 1 without a gap.
CREATE TABLE entries (
    account   INTEGER NOT NULL REFERENCES mailboxes (account) ON DELETE CASCADE,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    incoming  INTEGER NOT NULL CHECK (incoming IN (0, 1)),
    message   INTEGER NOT NULL REFERENCES messages (id),
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
