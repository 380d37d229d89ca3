-- Who does not want to hear of whom.
CREATE TABLE blocks (
    owner    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    blocked  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, blocked)
) STRICT, WITHOUT ROWID;

-- Whose status somebody is not to see.
CREATE INDEX blocks_by_blocked ON blocks (blocked, owner);

-- 1: the recipient had blocked the sender. It stands in the sender's mailbox only.
ALTER TABLE messages ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0 CHECK (withheld IN (0, 1));

-- 1: one of the mailboxes in which it stood holds it no more. When the other lets go of it, it is deleted.
ALTER TABLE messages ADD COLUMN released INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1));

-- An erased account keeps its number and its row, for those who have messages of it; its login is none that anybody
-- can have.
ALTER TABLE accounts ADD COLUMN erased_at INTEGER;

-- The invite with which it was made, if any; that may be gone.
ALTER TABLE accounts ADD COLUMN invite TEXT;

-- Logins that were somebody's, as BLAKE2 digests: nobody else gets them by signing up.
CREATE TABLE former_logins (
    digest     BLOB    PRIMARY KEY,
    erased_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Erased accounts of which there is still something to be deleted.
CREATE TABLE erasures (
    account  INTEGER PRIMARY KEY REFERENCES accounts (id)
) STRICT;

CREATE TABLE invites (
    code        TEXT    PRIMARY KEY,                    -- without its dash
    uses        INTEGER NOT NULL CHECK (uses > 0),      -- so many accounts it makes, in all
    used        INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND uses),
    expires_at  INTEGER,                                -- NULL: never
    created_at  INTEGER NOT NULL,
    created_by  TEXT    NOT NULL                        -- as the journal names whoever ordered it
) STRICT, WITHOUT ROWID;

-- What differs from the configuration for one account. NULL: as the configuration says; 0: no limit. Ages are milliseconds.
CREATE TABLE retention (
    account            INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    delivered_age      INTEGER CHECK (delivered_age >= 0),
    delivered_count    INTEGER CHECK (delivered_count >= 0),
    undelivered_age    INTEGER CHECK (undelivered_age >= 0),
    undelivered_count  INTEGER CHECK (undelivered_count >= 0)
) STRICT;
