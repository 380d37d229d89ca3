
-- Every message is archived, in SQLite.
modules_enabled = { "roster", "saslauth", "disco", "register", "ping", "mam" }
default_archive_policy = true
archive_expires_after = "never"
default_storage = "internal"
storage = { archive = "sql" }
sql = { driver = "SQLite3", database = "archive.sqlite" }
