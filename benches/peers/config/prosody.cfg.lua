-- Prosody with few modules, on loopback, without TLS. What follows below depends on the row: nothing, or an archive.
run_as_root = true
daemonize = false
pidfile = "$home/prosody.pid"
data_path = "$home/data"
log = { warn = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { $port }
s2s_ports = { }
http_ports = { }
https_ports = { }
network_settings = { tcp_backlog = 4096 }
modules_enabled = { "roster", "saslauth", "disco", "register", "ping" }
modules_disabled = { "s2s", "tls", "http" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
authentication = "internal_hashed"
storage = "internal"
limits = { }
