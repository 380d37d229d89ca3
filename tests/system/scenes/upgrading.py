"""From the package of the commit before to this one, and back, while people use it."""
import contextlib
import pathlib
import sqlite3
import threading

import packages
from machine import eventually
from people import Person, log_in

# A sign-up without an e-mail address is refused, and changes nothing.
KNOCK, ANSWER = b"\x00no address\rsomebody\rsecret of everybody", b"\x00\x01"


class _Knocking:
    """Somebody who connects all the time, one connection after the other."""

    def __init__(self, machine):
        self.machine = machine
        self.answered, self.cut_off, self.faults = 0, 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._knock, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.is_answered_again()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _knock(self):
        while not self._stop.is_set():
            try:
                answered = self._is_answered(self.machine.connect())
            except OSError as error:
                self.faults.append(f"after {self.answered} answers: {error!r}")
                return
            self.answered += answered
            # It had been taken by the daemon that stopped. A restart may do that, but not refuse a connection.
            self.cut_off += not answered

    @staticmethod
    def _is_answered(connection):
        with connection:
            try:
                connection.sendall(KNOCK)
                return connection.recv(4096) == ANSWER
            except (ConnectionResetError, BrokenPipeError):
                return False

    def is_answered_again(self):
        already = self.answered
        eventually("an answer", lambda: self.answered > already or self.faults)
        assert not self.faults, self.faults


def _schema(machine):
    """Which form the database has, that is in the shared folder."""
    with contextlib.closing(sqlite3.connect(pathlib.Path(machine.shared.name) / "messengerd.sqlite")) as database:
        return database.execute("PRAGMA user_version").fetchone()[0]


def _is_the_one_on_disk(machine, pid):
    """The process runs the program that the package brought, not one that is gone."""
    assert "(deleted)" not in machine.must(f"readlink /proc/{pid}/exe")
    machine.must(f"cmp /proc/{pid}/exe /usr/sbin/messengerd")


def _with_people(machine):
    packages.install(machine, packages.PREVIOUS_PACKAGE)
    ann, bob = Person(machine, "ann").signs_up(), Person(machine, "bob").signs_up()
    ann.must("--login", "ann", "add", "bob")
    ann.sends("bob", "before the change")
    return ann, bob


def _is_open(connection):
    connection.setblocking(False)
    try:
        assert connection.recv(4096) != b"", "the connection was closed"
    except BlockingIOError:
        pass


def _nothing_is_lost(ann, bob):
    assert "bob" in ann.must("--login", "ann", "contacts")
    ann.sends("bob", "after the change")
    seen = bob.reads("after the change")
    assert seen.count(b"before the change") == 1, seen


def an_upgrade_from_the_previous_commit_loses_nothing_and_the_port_is_never_closed(bare):
    ann, bob = _with_people(bare)
    bare.write("/etc/messengerd/messengerd.toml", "[accounts]\npassword_min_length = 9\n")
    bare.must("systemctl add-wants multi-user.target messengerd.service")
    before = bare.show("messengerd.service", "MainPID")
    listening_since = bare.show("messengerd.socket", "ActiveEnterTimestampMonotonic")
    keeps_connections = bare.show("messengerd.service", "FileDescriptorStoreMax") != "0"
    with log_in(bare, "ann") as connected, _Knocking(bare) as knocking:
        packages.change_to(bare, packages.LATER_PACKAGE)
        knocking.is_answered_again()
        if keeps_connections:
            _is_open(connected)
        else:
            # A package of before that could be done.
            assert connected.recv(4096) == b""
    assert not knocking.faults, knocking.faults
    print(f"     {bare.suite}: {knocking.answered} connections were answered during the upgrade, {knocking.cut_off} cut off")
    after = bare.show("messengerd.service", "MainPID")
    assert after not in ("0", before)
    _is_the_one_on_disk(bare, after)
    assert bare.show("messengerd.service", "ActiveState") == "active"
    assert bare.show("messengerd.service", "NRestarts") == "0"
    assert bare.show("messengerd.socket", "ActiveEnterTimestampMonotonic") == listening_since
    assert bare.run("systemctl is-enabled messengerd.socket").out == "enabled\n"
    assert bare.must("ls /etc/systemd/system/multi-user.target.wants/messengerd.service")
    assert bare.must("cat /etc/messengerd/messengerd.toml") == "[accounts]\npassword_min_length = 9\n"
    _nothing_is_lost(ann, bob)
    assert bare.run("systemctl is-system-running").out == "running\n"


def an_upgrade_leaves_a_daemon_stopped_that_was_stopped(bare):
    packages.install(bare, packages.PREVIOUS_PACKAGE)
    packages.change_to(bare, packages.LATER_PACKAGE)
    assert bare.show("messengerd.service", "ActiveState") == "inactive"
    assert bare.show("messengerd.socket", "ActiveState") == "active"


def an_upgrade_leaves_a_socket_disabled_that_was_disabled(bare):
    packages.install(bare, packages.PREVIOUS_PACKAGE)
    bare.must("systemctl disable --now messengerd.socket")
    packages.change_to(bare, packages.LATER_PACKAGE)
    assert bare.run("systemctl is-enabled messengerd.socket").out == "disabled\n"
    assert bare.show("messengerd.socket", "ActiveState") == "inactive"


def a_downgrade_to_the_previous_commit_works_or_is_refused_where_the_database_has_a_newer_form(bare):
    # On a folder that SQLite of this machine reaches as well.
    bare.must("mkdir -p /var/lib/messengerd && mount --bind /shared /var/lib/messengerd")
    ann, bob = _with_people(bare)
    form = _schema(bare)
    packages.change_to(bare, packages.LATER_PACKAGE)
    newer = _schema(bare) != form
    if newer:
        bare.must("systemctl stop messengerd.socket messengerd.service")
    packages.change_to(bare, packages.PREVIOUS_PACKAGE)
    if newer:
        print(f"     {bare.suite}: this commit has a newer form of the database: the previous package has to refuse it")
        assert bare.run("systemctl start messengerd.service").code != 0
        assert bare.show("messengerd.service", "ExecMainStatus") == "65"
        return
    pid = bare.show("messengerd.service", "MainPID")
    assert pid != "0", "the daemon ran before the downgrade"
    _is_the_one_on_disk(bare, pid)
    _nothing_is_lost(ann, bob)
