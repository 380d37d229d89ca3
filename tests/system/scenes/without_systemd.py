"""The same daemon in a bare container: no systemd, no package manager's scripts, and nobody has made a user for it."""
import machine as stage
from people import Person

UNPACK = "dpkg-deb --extract /stage/messengerd.deb /"


def _two_people_talk(machine):
    # Here no systemd keeps callers waiting.
    stage.eventually("it listens", lambda: "listening on" in machine.said())
    ann, bob = Person(machine, "ann").signs_up(), Person(machine, "bob").signs_up()
    ann.must("--login", "ann", "add", "bob")
    ann.sends("bob", "Is anybody here?")
    bob.hears("Is anybody here?")


def _status(machine):
    """Of the daemon, which is PID 1: credentials, capabilities, and what it has forbidden itself."""
    status = dict(line.split(":", 1) for line in machine.must("cat /proc/1/status").splitlines())
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, f"{name} is {status[name]}"
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2", status
    return status


def _ends_well(machine):
    assert machine.told_to_end() == 0, machine.said()
    said = machine.said()
    # On standard error, line by line.
    for line in ("INFO listening on 127.0.0.1:54321", "INFO confined by seccomp", "INFO session began", "INFO stopped\n"):
        assert line in said, f"{line}: not in\n{said}"


def started_as_root_it_becomes_nobody_and_serves(machines):
    command = f"{UNPACK} && exec env -i PATH={stage.PATH} HOME=/root messengerd --set accounts.sign_up=open"
    with machines(command=command, becomes="messengerd") as machine:
        _two_people_talk(machine)
        status = _status(machine)
        assert "0" not in status["Uid"].split() + status["Gid"].split() and not status["Groups"].split(), status
        assert int(status["CapBnd"], 16) == 0, status
        assert machine.must("stat -c %u /var/lib/messengerd/messengerd.sqlite").strip() == status["Uid"].split()[0]
        _ends_well(machine)


def started_by_somebody_it_serves_as_they_are(machines):
    command = (f"{UNPACK} && useradd --create-home carla && exec setpriv --reuid=carla --regid=carla --init-groups "
               f"--inh-caps=-all env -i PATH={stage.PATH} HOME=/home/carla messengerd --set accounts.sign_up=open")
    with machines(command=command, becomes="messengerd") as machine:
        _two_people_talk(machine)
        carla = machine.must("id -u carla").strip()
        assert set(_status(machine)["Uid"].split()) == {carla}
        assert machine.must("stat -c %U /home/carla/.local/state/messengerd/messengerd.sqlite") == "carla\n"
        _ends_well(machine)
