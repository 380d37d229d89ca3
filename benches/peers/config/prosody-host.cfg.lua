
-- Last: what stands below it is the host's alone.
VirtualHost "localhost"
