"""Metrics: the socket is there, for whom it is meant, and stays."""
import re

from people import Person

# Perl is on every Debian; no other program there speaks to a UNIX socket.
ASK = """perl -MIO::Socket::UNIX -e '
    $socket = IO::Socket::UNIX->new(Peer => "/run/messengerd/metrics") or die "$!\\n";
    print $socket "GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n";
    $socket->flush;
    print while <$socket>;'"""


def _number(page, sample):
    (found,) = re.findall(f"^{re.escape(sample)} (.*)$", page, re.MULTILINE)
    return float(found)


def metrics_are_for_the_group_and_for_nobody_else(machine):
    Person(machine, "ann").signs_up()
    assert machine.must("stat --format='%U %G %a' /run/messengerd/metrics") == "root messengerd-metrics 660\n"
    machine.must("useradd ann && useradd --groups messengerd-metrics collector && useradd --groups messengerd-admin bob")
    page = machine.must(f"setpriv --reuid=collector --regid=collector --init-groups {ASK}")
    assert page.startswith("HTTP/1.1 200 OK") and page.endswith("# EOF\n"), page
    assert _number(page, 'messengerd_sign_ups_total{protocol="classic",outcome="done"}') == 1, page
    # What the daemon knows of its own process it has read in all its confinement.
    assert _number(page, "process_resident_memory_bytes") > 1e6 and _number(page, "process_open_fds") > 10, page
    for stranger in ("ann", "bob"):
        ran = machine.run(f"setpriv --reuid={stranger} --regid={stranger} --init-groups {ASK}")
        assert ran.code != 0 and "Permission denied" in ran.err and ran.out == "", ran
    # Who may ask may order nothing.
    ran = machine.run("setpriv --reuid=collector --regid=collector --init-groups messengerctl reload")
    assert ran.code == 77, ran


def a_restart_keeps_the_metrics_socket_and_begins_the_figures_anew(machine):
    Person(machine, "ann").signs_up()
    inode = machine.must("stat --format=%i /run/messengerd/metrics")
    before = machine.must(ASK)
    machine.must("systemctl restart messengerd.service")
    after = machine.must(ASK)
    assert machine.must("stat --format=%i /run/messengerd/metrics") == inode
    done = 'messengerd_sign_ups_total{protocol="classic",outcome="done"}'
    assert (_number(before, done), _number(after, done)) == (1, 0), (before, after)
    assert _number(after, "messengerd_start_time_seconds") > _number(before, "messengerd_start_time_seconds")
    # With the socket of people it stops and starts.
    machine.must("systemctl stop messengerd.socket messengerd.service")
    assert machine.run("test -e /run/messengerd/metrics").code != 0
    machine.must("systemctl start messengerd.socket")
    Person(machine, "bob").signs_up()
    assert machine.must(ASK).endswith("# EOF\n")


def a_drop_in_shows_the_metrics_on_loopback_as_well(machine):
    Person(machine, "ann").signs_up()
    machine.write("/etc/systemd/system/messengerd-metrics.socket.d/tcp.conf", "[Socket]\nListenStream=127.0.0.1:9464\n")
    machine.must("systemctl daemon-reload && systemctl stop messengerd.service messengerd-metrics.socket")
    machine.must("systemctl start messengerd.socket messengerd-metrics.socket")
    with machine.connect(("127.0.0.1", 9464)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"# EOF\n"), answer
    assert machine.must(ASK).endswith("# EOF\n")
