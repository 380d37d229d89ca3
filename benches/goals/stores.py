"""Stores as large as wanted, made without the daemon: it makes the empty database and one password's hash, and SQLite fills it.

The accounts are called as the load generator calls them: u00000, u00001 and so on. Their numbers go through the whole range
in leaps, so that the first 200 names are spread over all mailboxes.
"""
import contextlib
import os
import pathlib
import random
import shutil
import sqlite3
import typing

from client import Client
from measure import Bench
from peers import Messengerd

FILE = "messengerd.sqlite"
# About the golden section of 100,000, and prime: neighbouring names get numbers far apart.
LEAP = 61813
# From one of somebody's contacts to the next.
APART = 997


class Store(typing.NamedTuple):
    """What is in a store."""

    accounts: int
    messages: int = 0
    # Of each account.
    contacts: int = 0
    # Password hashes with messengerd's own parameters, or with the lightest.
    hashed: bool = False

    @property
    def name(self) -> str:
        return f"store-{self.accounts}-{self.messages}-{self.contacts}{'-hashed' if self.hashed else ''}"

    @property
    def workload(self) -> str:
        """By which the server's settings for hashing are chosen."""
        return "logins" if self.hashed else "pairs"

    def sample(self, count: int) -> list[str]:
        """Logins from anywhere in the store, each once."""
        return [f"u{number:05}" for number in random.sample(range(self.accounts), min(count, self.accounts))]


# A message is from account `i mod n` to another; in each round of n messages each account writes one and gets one.
# With `k` for the round, and accounts counted from 0, `a` has written the message k * n + a and got k * n + (a - 1 - k) mod n,
# so that both are known without a look at the messages, and rows can be written in the order in which they are kept.
FILL = """
DELETE FROM mailboxes;
DELETE FROM accounts;

WITH RECURSIVE n(a) AS (SELECT 0 UNION ALL SELECT a + 1 FROM n LIMIT {accounts})
INSERT INTO accounts (id, login, email, password, created_at)
SELECT a + 1, printf('u%05d', a * {back} % {accounts}), printf('u%05d@example.org', a * {back} % {accounts}), '{password}', {now}
FROM n;

WITH RECURSIVE n(a) AS (SELECT 0 UNION ALL SELECT a + 1 FROM n LIMIT {accounts})
INSERT INTO mailboxes (account, head, filed, cursor)
SELECT a + 1, 2 * {rounds}, iif({rounds}, ({rounds} - 1) * {accounts} + max(a, (a - {rounds} + {accounts}) % {accounts}) + 1, 0),
       2 * {rounds}
FROM n;

WITH RECURSIVE n(c) AS (SELECT 0 UNION ALL SELECT c + 1 FROM n LIMIT {accounts} * {contacts})
INSERT OR IGNORE INTO contacts (owner, contact)
SELECT c / {contacts} + 1, (c / {contacts} + (c % {contacts} + 1) * {apart}) % {accounts} + 1 FROM n;

WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT {messages})
INSERT INTO messages (id, sender, recipient, sent_at, text)
SELECT i + 1, i % {accounts} + 1, (i + 1 + i / {accounts}) % {accounts} + 1, {now} + i / 100,
       printf('This is message %013d, and it says as much as others do.', i)
FROM n WHERE {messages};

WITH RECURSIVE n(e) AS (SELECT 0 UNION ALL SELECT e + 1 FROM n LIMIT 2 * {messages}),
of(a, k, second) AS (SELECT e / (2 * {rounds}), e % (2 * {rounds}) / 2, e % 2 FROM n WHERE {messages}),
two(a, k, second, written, got) AS (SELECT a, k, second, a, (a - 1 - k + {accounts}) % {accounts} FROM of)
INSERT INTO entries (account, seq, message)
SELECT a + 1, 2 * k + second + 1, k * {accounts} + iif(second, max(written, got), min(written, got)) + 1 FROM two;

UPDATE filing SET up_to = {messages};
"""


def made(bench: Bench, server: Messengerd, store: Store) -> pathlib.Path:
    """The state directory with such a store. It is made the first time."""
    folder = bench.scratch / store.name
    if folder.exists():
        return folder
    print(f"    a store of {store.accounts:,} accounts and {store.messages:,} messages ...", flush=True)
    begun = bench.scratch / f"{store.name}.begun"
    shutil.rmtree(begun, ignore_errors=True)
    with bench.quiet(), bench.running(server, store.workload) as (_, port):
        client = Client(port)
        client.ask_to_sign_up("first")
        client.answer(b"\x00\x00")
        client.leave()
    shutil.move(bench.scratch / "home" / "data", begun)
    _fill(begun / FILE, store)
    begun.rename(folder)
    return folder


def _fill(path: pathlib.Path, store: Store) -> None:
    if store.messages % store.accounts or store.messages >= store.accounts**2:
        raise ValueError("messages come in whole rounds, of which there are fewer than accounts")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        password, now = db.execute("SELECT password, created_at FROM accounts").fetchone()
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-500000"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        values = {"accounts": store.accounts, "messages": store.messages, "rounds": store.messages // store.accounts,
                  "contacts": store.contacts, "apart": APART, "back": pow(LEAP, -1, store.accounts), "password": password,
                  "now": int(now)}
        db.executescript("BEGIN;" + FILL.format(**values) + "COMMIT;")
        db.execute("PRAGMA journal_mode=WAL").fetchall()
    # Nothing of it shall still be on its way to the disk while something is measured.
    _sync(path)


def _sync(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def tidy(folder: pathlib.Path) -> None:
    """All counts as delivered: what was on its way when the last run ended would come to the next one's users."""
    with contextlib.closing(sqlite3.connect(folder / FILE)) as db:
        db.execute("UPDATE mailboxes SET cursor = head WHERE cursor <> head")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    _sync(folder / FILE)
