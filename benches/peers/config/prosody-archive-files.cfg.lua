
-- Every message is archived, in files.
modules_enabled = { "roster", "saslauth", "disco", "register", "ping", "mam" }
default_archive_policy = true
archive_expires_after = "never"
