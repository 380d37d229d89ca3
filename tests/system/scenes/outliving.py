"""The connection outlives the process: systemd keeps the clients' sockets while one daemon ends and the next begins."""
import contextlib
import re
import socket
import struct
import subprocess
import sys

import packages
from machine import PATIENCE, eventually
from people import Person, log_in
from swarm import Swarm, let_a_crowd_in

DROP_IN = "/etc/systemd/system/messengerd.service.d/zz-scene.conf"
# Of messages that were taken.
ALL_ARRIVE = ("lost", "trebled", "out_of_order")
# The store holds this of the daemon's own, beside the connections.
ROLL = 1


def _none(report, *names):
    wrong = {name: report[name] for name in names if report[name]}
    assert not wrong, f"{wrong} in {report}"


def _tell(machine, text):
    print(f"     {machine.suite}: {text}", flush=True)


def _configured(machine):
    let_a_crowd_in(machine, "/etc/messengerd/conf.d/scene.toml")


def _drop_in(machine, text):
    machine.write(DROP_IN, f"[Service]\n{text}\n")
    machine.must("systemctl daemon-reload")


@contextlib.contextmanager
def _another_process(machine):
    """In this, one daemon ends and the next begins."""
    before = machine.show("messengerd.service", "MainPID")
    # As often as a scene likes, whatever StartLimitBurst= says.
    machine.must("systemctl reset-failed messengerd.service")
    yield
    eventually("the next daemon", lambda: machine.show("messengerd.service", "MainPID") not in ("0", before)
               and machine.show("messengerd.service", "ActiveState") == "active")


def _restart(machine):
    with _another_process(machine):
        machine.must("systemctl restart messengerd.service")


def _kill(machine):
    with _another_process(machine):
        machine.must("systemctl kill --kill-whom=main --signal=SIGKILL messengerd.service")


def _stored(machine):
    return int(machine.show("messengerd.service", "NFileDescriptorStore"))


def _the_store_holds(machine, connections):
    with contextlib.suppress(AssertionError):
        eventually("the store holds these", lambda: _stored(machine) == connections + ROLL)
    assert _stored(machine) == connections + ROLL, f"the store holds {_stored(machine)} for {connections} connections"


def _read_in_any_order(connection, *packets):
    """These packets come next, in whatever order."""
    size, read = sum(map(len, packets)), b""
    while len(read) < size:
        more = connection.recv(4096)
        assert more, f"the connection was closed behind {read!r}"
        read += more
    assert all(packet in read for packet in packets) and len(read) == size, f"{read!r} instead of {packets}"


def no_client_notices_twenty_restarts_and_an_upgrade_except_by_a_pause(machine):
    _configured(machine)
    with Swarm(machine, "--clients=500", "--idle=10") as swarm:
        for _ in range(20):
            _restart(machine)
            swarm.talks()
        restarts = swarm.report["longest_pause_ms"]
        with _another_process(machine):
            packages.install(machine, packages.LATER_PACKAGE)
        swarm.talks()
        report = swarm.tell("pause")
        _tell(machine, f"{report['sent']} messages; the longest pause of a client {restarts} ms with restarts, "
              f"{report['longest_pause_ms']} ms with the upgrade; {report['longest_silence_ms']} ms of silence for all; "
              f"{report['shared_reads']} reads of several packets (the swarm itself was late by up to {report['own_delay_ms']} ms)")
        _none(report, "closed", "doubled", "unsure", "flickers", "torn_reads", *ALL_ARRIVE)
        assert report["settled"] and report["received"] == report["sent"], report
        _the_store_holds(machine, 510)
    _the_store_holds(machine, 0)


def no_client_notices_an_upgrade_from_the_previous_commit_nor_the_way_back(bare):
    packages.install(bare, packages.PREVIOUS_PACKAGE)
    if bare.show("messengerd.service", "FileDescriptorStoreMax") == "0":
        _tell(bare, "THE PREVIOUS COMMIT KEEPS NO CONNECTIONS: this one goes to itself and back")
        bare.must("apt-get -qq purge messengerd 2>&1")
        packages.install(bare, packages.PACKAGE)
        earlier = packages.PACKAGE
    else:
        earlier = packages.PREVIOUS_PACKAGE
    _configured(bare)
    with Swarm(bare, "--clients=500", "--idle=10") as swarm:
        for package in (packages.LATER_PACKAGE, earlier):
            with _another_process(bare):
                packages.change_to(bare, package)
            swarm.talks()
        report = swarm.tell("pause")
        _tell(bare, f"{report['sent']} messages; the longest pause of a client {report['longest_pause_ms']} ms")
        _none(report, "closed", "doubled", "unsure", "flickers", "torn_reads", *ALL_ARRIVE)
        assert report["settled"] and report["received"] == report["sent"], report
        _the_store_holds(bare, 510)


def most_clients_stay_when_the_daemon_is_killed_and_what_was_taken_arrives(machine):
    _configured(machine)
    with Swarm(machine, "--clients=500", "--idle=20", "--return") as swarm:
        swarm.talks()
        for time in range(5):
            before = swarm.tell("risk")["closed"]
            _kill(machine)
            swarm.tell("safe")
            swarm.talks()
            stayed = 520 - (swarm.report["closed"] - before)
            _tell(machine, f"kill {time + 1}: {stayed} of 520 connections stayed")
            assert stayed > 260, swarm.report
        report = swarm.tell("pause")
        _tell(machine, f"{report['sent']} messages, {report['doubled']} of them twice, {report['unsure']} not taken and not come; "
              f"the longest pause of a client {report['longest_pause_ms']} ms")
        # Nobody wrote to them until the pause: then somebody did, and they heard.
        _none(report, "idle_closed", "unanswered", "torn_reads", *ALL_ARRIVE)
        assert report["settled"] and report["connected"] == 520, report
        _the_store_holds(machine, 520)
    _the_store_holds(machine, 0)


def after_a_stop_and_a_start_clients_come_back_to_all_their_messages(machine):
    _configured(machine)
    with Swarm(machine, "--clients=500", "--idle=10", "--return") as swarm:
        swarm.talks()
        for units in ("messengerd.service", "messengerd.socket messengerd.service"):
            with _another_process(machine):
                machine.must(f"systemctl stop {units}")
                machine.must("systemctl reset-failed messengerd.service messengerd.socket; "
                             "systemctl start messengerd.service")
            swarm.talks()
        report = swarm.tell("pause")
        _tell(machine, f"{report['closed']} connections ended, {report['unsure']} messages not taken; "
              f"the longest pause of a client {report['longest_pause_ms']} ms")
        _none(report, "doubled", "unanswered", "torn_reads", *ALL_ARRIVE)
        assert report["settled"] and report["connected"] == 510, report
        _the_store_holds(machine, 510)
    _the_store_holds(machine, 0)


def who_goes_while_no_daemon_runs_is_seen_to_have_gone(machine):
    ann, bob, eve = (Person(machine, login).signs_up() for login in ("ann", "bob", "eve"))
    for other in (bob, eve):
        ann.must("--login", "ann", "add", other.login)
    # The next daemon waits at the door for as long as the scene likes.
    _drop_in(machine, "ExecStartPre=+/bin/sh -c 'while [ -e /run/closed ]; do sleep 0.1; done'")
    with log_in(machine, "bob") as of_bob, log_in(machine, "eve") as of_eve, log_in(machine, "ann") as of_ann:
        _the_store_holds(machine, 3)
        before = machine.show("messengerd.service", "MainPID")
        machine.must("touch /run/closed; systemctl kill --kill-whom=main --signal=SIGKILL messengerd.service")
        eventually("the daemon is gone, and the next waits",
                   lambda: machine.show("messengerd.service", "SubState") == "start-pre")
        # One says that it goes, and of the other systemd is told at once that it is gone (tcp(7), socket(7): SO_LINGER).
        of_bob.close()
        of_eve.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        of_eve.close()
        machine.must("rm /run/closed")
        _read_in_any_order(of_ann, b"\x05bob\r\x00", b"\x05eve\r\x00")
        assert machine.show("messengerd.service", "MainPID") not in ("0", before)
        _the_store_holds(machine, 1)
        # Somebody who comes back is seen on the same connection.
        with log_in(machine, "bob"):
            _read_in_any_order(of_ann, b"\x05bob\r\x01")


def the_store_holds_the_connections_that_there_are_and_no_others(machine):
    Person(machine, "ann").signs_up()
    _the_store_holds(machine, 0)
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(machine.connect()) for _ in range(6)]
        anns = [stack.enter_context(log_in(machine, "ann")) for _ in range(6)]
        _the_store_holds(machine, 12)
        for end in (_restart, _restart, _kill, _restart, _kill):
            strangers.pop().close()
            anns.pop().close()
            end(machine)
            # After a kill, who has no session may be sent away.
            left = eventually("the status", lambda: re.fullmatch(r"1 online, (\d+) connections?.*",
                                                                 machine.show("messengerd.service", "StatusText")))
            assert int(left[1]) >= len(anns), left[0]
            _the_store_holds(machine, int(left[1]))
    _the_store_holds(machine, 0)


# Runs as a process of the service. It sees this machine's files, and the container's by way of its PID 1.
STORES = """
import os, socket, sys
root, cgroup, name, descriptor = sys.argv[1:]
for hierarchy in ("systemd", "unified", ""):
    processes = f"{root}/sys/fs/cgroup/{hierarchy}{cgroup}/cgroup.procs"
    if os.path.exists(processes):
        open(processes, "w").write("0")
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(f"{root}/run/systemd/notify")
socket.send_fds(manager, [f"FDSTORE=1\\nFDNAME={name}".encode()], [int(descriptor)])
# sd_notify(3): it is closed when systemd has done what was asked before, and until then this has to be there.
ours, theirs = os.pipe()
socket.send_fds(manager, [b"BARRIER=1"], [theirs])
os.close(theirs)
os.read(ours, 1)
"""


def _store(machine, name, descriptor):
    """Puts a descriptor into the service's store, as a daemon that has gone mad might, or another version."""
    root = f"/proc/{machine.leader}/root"
    subprocess.run(["nsenter", "-t", machine.leader, "-p", "-C", "--", sys.executable, "-c", STORES, root,
                    machine.show("messengerd.service", "ControlGroup"), name, str(descriptor)],
                   pass_fds=[descriptor], check=True, timeout=PATIENCE)


def a_descriptor_with_a_name_that_nobody_knows_is_closed_at_the_start(machine):
    # What is tried here takes any process of the service, and not the daemon itself.
    _drop_in(machine, "NotifyAccess=all")
    Person(machine, "ann").signs_up()
    with log_in(machine, "ann") as of_ann:
        _the_store_holds(machine, 1)
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        with ours:
            with theirs:
                _store(machine, "stranger", theirs.fileno())
            assert _stored(machine) == 1 + ROLL + 1
            _restart(machine)
            assert ours.recv(1) == b"", "it is open"
        warnings = eventually("a warning", lambda: machine.journal("_SYSTEMD_UNIT=messengerd.service", "PRIORITY=4"))
        assert "stranger" in warnings, warnings
        _the_store_holds(machine, 1)
        of_ann.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"the others were disturbed: {of_ann.recv(4096)!r}")


def who_has_failed_to_log_in_too_often_waits_after_a_restart_too(machine):
    Person(machine, "ann").signs_up()
    guess, try_later = b"\x01ann\ra wrong guess", b"\x01\x03"

    def answer():
        with machine.connect() as connection:
            connection.sendall(guess)
            return connection.recv(4096)

    eventually("ann's account is closed to guesses", lambda: answer() == try_later)
    _restart(machine)
    assert answer() == try_later
