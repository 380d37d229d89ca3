"""Somebody is told when something fails, as docs/administration.md has it."""
from documentation import chapter
from machine import eventually
from people import Person


def a_backup_that_fails_is_told_on_the_phone(machine):
    ann = Person(machine, "ann").signs_up()
    account, line, (_, tells), (_, on_failure) = chapter("Tell me on my phone when the backup fails")
    for command in account.splitlines():
        machine.must(command)
    machine.write("/etc/systemd/system/tell-ann@.service", tells)
    machine.write("/etc/systemd/system/messengerd-backup.service.d/override.conf", on_failure)
    machine.must("systemctl daemon-reload")

    machine.must("systemctl start messengerd-backup.service")
    machine.must(line)
    # Nowhere to write to.
    machine.must("rm -r /var/lib/messengerd/backups && touch /var/lib/messengerd/backups")
    machine.must(line)
    # messenger is well when its message was taken. The other way, by the unit:
    assert machine.run("systemctl start messengerd-backup.service").code != 0
    tell = "tell-ann@messengerd-backup.service.service"
    eventually("systemd has told it", lambda: machine.show(tell, "ExecMainExitTimestampMonotonic") not in ("", "0"))
    assert machine.show(tell, "Result") == "success", machine.journal(f"_SYSTEMD_UNIT={tell}")
    seen = ann.reads("messengerd-backup.service").decode()
    assert seen.count("\x02alarm\r") == 2 and "\x02alarm\rNo backup on " in seen, seen
