"""Opening it to a network, as docs/administration.md has it."""
import socket
import struct

import documentation
import lacks
import packages
from machine import eventually

ADDRESS = ("192.0.2.7", 54321)
# A neighbour that the drop-in lets in, and a stranger.
NEIGHBOUR, STRANGER = "192.0.2.8", "198.51.100.9"
TCP_ESTABLISHED, TCP_SYN_SENT = 1, 2
# A sign-up without an e-mail address.
KNOCK, ANSWER = b"\x00no address\rsomebody\rsecret of everybody", b"\x00\x01"


def _opened(machine):
    """Does what the page says, on a machine that has the addresses of three."""
    for address in (ADDRESS[0], NEIGHBOUR, STRANGER):
        machine.must(f"ip address add {address}/32 dev lo")
    text, commands = documentation.drop_in("messengerd.socket")
    assert f"ListenStream={ADDRESS[0]}:{ADDRESS[1]}" in text and "IPAddressDeny=any" in text, text
    # What systemctl edit does with what was typed.
    machine.write("/etc/systemd/system/messengerd.socket.d/override.conf", text)
    machine.must("systemctl daemon-reload")
    machine.must(commands)


def _is_served(machine, address, source=None):
    with machine.socket(address) as connection:
        if source:
            connection.bind((source, 0))
        connection.connect(address)
        connection.sendall(KNOCK)
        assert connection.recv(4096) == ANSWER


def the_documented_drop_in_opens_it_to_the_network(machine):
    _opened(machine)
    for address in (ADDRESS, ("127.0.0.1", 54321), ("::1", 54321)):
        _is_served(machine, address)
    assert set(machine.show("messengerd.socket", "IPAddressDeny").split()) == {"::/0", "0.0.0.0/0"}
    assert "192.0.2.0/24" in machine.show("messengerd.socket", "IPAddressAllow").split()
    assert "ignoring" not in machine.journal("_PID=1"), "systemd complains about the drop-in"


def the_documented_drop_in_lets_in_whom_it_names_and_nobody_else(machines):
    with machines(unified=True) as machine:
        lacks.need(machine, "firewalls for units (IPAddressDeny=)")
        packages.install(machine)
        _opened(machine)
        with machine.socket(ADDRESS) as strangers:
            strangers.bind((STRANGER, 0))
            strangers.setblocking(False)
            strangers.connect_ex(ADDRESS)
            for address in (ADDRESS, ("127.0.0.1", 54321), ("::1", 54321)):
                _is_served(machine, address)
            _is_served(machine, ADDRESS, NEIGHBOUR)
            # It called first, and on the loopback a packet has arrived when it is sent: what was not answered by now
            # was thrown away.
            assert _state(strangers) == TCP_SYN_SENT
        # Without the two lines, from everywhere.
        machine.must("sed -i /^IPAddress/d /etc/systemd/system/messengerd.socket.d/override.conf && systemctl daemon-reload")
        machine.must(documentation.drop_in("messengerd.socket")[1])
        _is_served(machine, ADDRESS, STRANGER)
        assert eventually("the daemon", lambda: machine.show("messengerd.service", "ActiveState") == "active")


def _state(connection):
    return struct.unpack("B", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0]
