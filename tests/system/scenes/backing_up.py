"""Backups: by hand, by the timer, under load; and what becomes of them."""
import contextlib
import json
import threading

from machine import eventually
from people import Person, log_in_with_key

FOLDER = "/var/lib/messengerd/backups"
SERVICE, TIMER = "messengerd-backup.service", "messengerd-backup.timer"
# And with the socket those that are part of it.
ALL = "messengerd.service messengerd.socket"


def _backups(machine):
    return machine.must(f"find {FOLDER} -name 'messengerd-*.sqlite' | sort").split()


def _drop_in(machine, unit, text):
    machine.write(f"/etc/systemd/system/{unit}.d/scene.conf", text)
    machine.must("systemctl daemon-reload")


def the_timer_is_shipped_disabled_and_makes_backups_when_it_is_enabled(machine):
    assert machine.run(f"systemctl is-enabled {TIMER}").out == "disabled\n"
    assert machine.show(TIMER, "ActiveState") == "inactive"
    assert machine.must(f"systemd-analyze verify --man=no {SERVICE} {TIMER} 2>&1") == ""
    exposure = machine.must(f"systemd-analyze security --no-pager {SERVICE} | tail -n 1").split(": ")[1]
    assert float(exposure.split()[0]) < 1.5, exposure
    Person(machine, "ann").signs_up()
    assert _backups(machine) == []
    machine.must(f"systemctl enable --now {TIMER}")
    assert machine.run(f"systemctl is-enabled {TIMER}").out == "enabled\n"
    # It does not wait for the night here.
    _drop_in(machine, TIMER, "[Timer]\nOnCalendar=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=1s\n")
    machine.must(f"systemctl restart {TIMER}")
    eventually("a backup", lambda: _backups(machine))
    eventually("its end", lambda: machine.show(SERVICE, "ActiveState") == "inactive")
    assert machine.show(SERVICE, "Result") == "success"
    (backup,) = _backups(machine)
    owners = machine.must(f"stat -c '%U %a' {FOLDER} {FOLDER}/*").splitlines()
    assert owners == ["messengerd 700", "messengerd 600", "messengerd 600"], owners
    machine.must(f"messengerctl restore {backup} --verify")
    # Seven stay.
    for _ in range(8):
        machine.must("messengerctl backup")
    assert len(_backups(machine)) == 9
    machine.must(f"systemctl start {SERVICE}")
    assert len(_backups(machine)) == 7 and backup not in _backups(machine)
    assert machine.must("journalctl --quiet --output=cat AUDIT=1 --grep='make a backup'")
    # An upgrade leaves it as the administrator has it, and a removal takes it away.
    machine.must("apt-get -qq install --reinstall /stage/messengerd.deb 2>&1")
    assert machine.run(f"systemctl is-enabled {TIMER}").out == "enabled\n"
    machine.must("apt-get -qq purge messengerd 2>&1")
    assert machine.run(f"ls /etc/systemd/system/timers.target.wants/{TIMER}").code != 0
    assert len(_backups(machine)) == 7, "data are kept"


def the_unit_makes_a_backup_without_a_daemon_and_its_failure_is_told(machine):
    Person(machine, "ann").signs_up()
    machine.must(f"systemctl stop {ALL}")
    machine.must(f"systemctl start {SERVICE}")
    assert len(_backups(machine)) == 1
    assert machine.show("messengerd.service", "ActiveState") == "inactive"
    machine.must("systemctl start messengerd.socket messengerd-control.socket")
    machine.write("/etc/systemd/system/told.service", "[Service]\nType=oneshot\nExecStart=touch /run/told\n")
    _drop_in(machine, SERVICE, "[Unit]\nOnFailure=told.service\n")
    machine.must(f"mount -t tmpfs -o size=1m,mode=700,uid=$(id -u messengerd) tmpfs {FOLDER}")
    assert machine.run(f"systemctl start {SERVICE}").code != 0
    eventually("word of it", lambda: machine.run("ls /run/told").code == 0)
    assert "there is no room" in machine.journal(f"_SYSTEMD_UNIT={SERVICE}"), machine.journal(f"_SYSTEMD_UNIT={SERVICE}")
    machine.must(f"umount {FOLDER}")
    assert len(_backups(machine)) == 1, "the one before is there"


def a_backup_made_under_load_is_restored_with_every_message_from_before(machine):
    machine.write("/etc/messengerd/conf.d/scene.toml", "[connections]\nrequests = 1000000\nsource_requests = 1000000\n")
    ann, bob = Person(machine, "ann").signs_up(), Person(machine, "bob").signs_up()
    ann.must("--login", "ann", "add", "bob")
    confirmed, enough = [0], threading.Event()

    def write():
        connection, key = log_in_with_key(machine, "ann")
        with contextlib.closing(connection):
            while not enough.is_set():
                number = confirmed[0] + 1
                connection.sendall(b"\x06" + key + b"\rbob\r" + f"<{number}>".encode())
                # The answer to what is asked later says that it is committed. Each packet is a read of its own.
                connection.sendall(b"\x03" + key)
                assert connection.recv(4096).startswith(b"\x03\x00\rbob")
                confirmed[0] = number

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually("some messages", lambda: confirmed[0] > 50)
        # Each is quick, and of this writer not all are in the middle.
        for _ in range(50):
            before = confirmed[0]
            backup = json.loads(machine.must("mkdir -p /srv/safe && messengerctl backup --to /srv/safe --keep 1 --json"))
            during = confirmed[0] - before
            if during:
                break
    finally:
        enough.set()
        writer.join()
    assert during > 0, "nobody wrote meanwhile"
    assert machine.must("ls /srv/safe").split() == sorted([backup["file"].split("/")[-1], backup["file"].split("/")[-1][:-6] + "json"])
    # Refused while it runs.
    refused = machine.run(f"messengerctl restore {backup['file']}")
    assert refused.code == 75, refused
    machine.must(f"systemctl stop {ALL}")
    said = machine.must(f"messengerctl restore {backup['file']}")
    assert "the database of before is kept: /var/lib/messengerd/messengerd.replaced-" in said, said
    assert machine.must("stat -c '%U:%G %a' /var/lib/messengerd/messengerd.sqlite") == "messengerd:messengerd 600\n"
    machine.must("systemctl start messengerd.service")
    texts = bob.reads(f"<{before}>").decode()
    assert all(f"<{number}>" in texts for number in range(1, before + 1)), texts
    ann.sends("bob", "and life goes on")
    bob.reads("and life goes on")
