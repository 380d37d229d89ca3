"""What the unit leaves to a daemon that somebody else has taken over: the probe tries it in the daemon's place."""
import re

import lacks
import packages
from machine import eventually
from people import Person, log_in

CEILING = 0.3
# Files in memory are what one daemon leaves to the next.
ALLOWED = ["write-to-the-state-directory", "reach-the-journal", "make-a-file-in-memory"]
FORBIDDEN = [
    "connect-by-tcp", "connect-by-tcp-on-ipv6", "open-an-ipv4-socket", "open-an-ipv6-socket", "open-a-netlink-socket",
    "open-a-packet-socket", "reach-the-system-bus",
    "read-the-shadow-file", "read-the-users", "read-a-home", "read-another-process", "see-another-process",
    "read-files-through-another-process", "read-the-kernels-settings",
    "write-to-its-configuration", "write-to-its-program", "write-to-the-root", "write-to-tmp", "write-to-var-tmp",
    "write-to-shared-memory", "write-to-run",
    "run-a-shell", "run-a-set-user-id-program", "run-what-it-wrote", "have-the-loader-run-what-it-wrote",
    "make-a-set-user-id-program", "have-memory-that-is-written-and-run",
    "become-root", "take-a-capability", "make-a-namespace", "make-a-user-namespace", "mount", "open-too-many-files",
    "make-room-for-a-core-file", "signal-another-process",
]
# 127 is the loader's word for a program that it can't map.
DONE, REFUSED = [("1", "0")], [("1", "1"), ("1", "127")]


def _in_the_daemons_place(machine, what):
    """How the service's main process ended (wait(2)'s si_code, 1 being CLD_EXITED), and with which exit code."""
    machine.write("/run/systemd/system/messengerd.service.d/probe.conf",
                  "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecReload=\n"
                  f"ExecStart=\nExecStart=/usr/sbin/messengerd {what}\n")
    machine.must("systemctl daemon-reload; systemctl reset-failed messengerd.service 2>/dev/null || true")
    machine.run("systemctl start messengerd.service")
    return machine.show("messengerd.service", "ExecMainCode"), machine.show("messengerd.service", "ExecMainStatus")


def the_exposure_is_below_the_ceiling(machine):
    Person(machine, "ann").signs_up()
    assert machine.show("messengerd.service", "ActiveState") == "active"
    said = machine.must("systemd-analyze security --no-pager messengerd.service")
    (exposure,) = re.findall(r"Overall exposure level for messengerd.service: ([0-9.]+)", said)
    print(f"     {machine.suite}: exposure {exposure}")
    assert float(exposure) <= CEILING, said


def what_is_forbidden_does_not_work(machine):
    machine.write("/home/ann/password", "private")
    machine.must("chmod 755 /home/ann && chmod 644 /home/ann/password && mkdir /var/lib/messengerd")
    machine.must(f"rm /usr/sbin/messengerd && cp {packages.PROBE} /usr/sbin/messengerd")
    faults = []
    with machine.listen(("127.0.0.1", 7)), machine.listen(("::1", 7)):
        # Without the unit the same program can do all of it: what is refused below is refused by the unit.
        for what in ALLOWED + FORBIDDEN:
            ran = machine.run(f"{packages.PROBE} {what}")
            if ran.code != 0:
                faults.append(f"{what}: not even root can, so that it is refused proves nothing: {ran!r}")
        machine.must("umount /tmp && rm -rf /var/lib/messengerd /probe /run/probe /dev/shm/probe /var/tmp/probe /tmp/probe "
                     "/etc/messengerd/conf.d/probe.toml")
        for what in ALLOWED + FORBIDDEN:
            came_of_it = _in_the_daemons_place(machine, what)
            if came_of_it not in (DONE if what in ALLOWED else REFUSED):
                faults.append(f"{what}: {'could be done' if came_of_it in DONE else f'ended oddly: {came_of_it}'}")
    assert not faults, "\n".join(faults)


def the_daemon_is_nobody_and_has_nothing(machine):
    Person(machine, "ann").signs_up()
    pid = machine.show("messengerd.service", "MainPID")
    status = dict(line.split(":", 1) for line in machine.must(f"cat /proc/{pid}/status").splitlines())
    user = machine.must("id -u messengerd").strip()
    assert set(status["Uid"].split()) == {user} and user != "0", status["Uid"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, f"{name} is {status[name]}"
    assert status["NoNewPrivs"].strip() == "1", status
    assert "Max open files 16384 16384 files" in " ".join(machine.must(f"cat /proc/{pid}/limits").split())
    links = eventually("its network", lambda: machine.must(f"nsenter -t {pid} -n ip -brief link"))
    assert [line.split()[0] for line in links.splitlines()] == ["lo"], links


def _filters(machine):
    """How many system call filters lie on each thread of the daemon."""
    machine.must("systemctl restart messengerd.service")
    # With a session's threads: those of the store and of the hashing.
    with log_in(machine, "ann"):
        pid = machine.show("messengerd.service", "MainPID")
        # One that is idle may end while we look.
        threads = machine.run(f"cat /proc/{pid}/task/*/status").out
    modes, counts = (re.findall(rf"^{name}:\s*(\d+)$", threads, re.M) for name in ("Seccomp", "Seccomp_filters"))
    assert len(counts) > 2 and set(modes) == {"2"}, threads
    assert len(set(counts)) == 1, f"threads differ: {counts}"
    return int(counts[0])


def each_thread_has_the_daemons_own_filter_besides_those_of_the_unit(machine):
    Person(machine, "ann").signs_up()
    confined = _filters(machine)
    machine.write("/etc/messengerd/conf.d/scene.toml", "[sandbox]\nseccomp = false\n")
    # Two: one pretends that a few calls don't exist, one kills.
    assert _filters(machine) == confined - 2
    assert machine.show("messengerd.service", "StatusText").endswith("no seccomp")


def the_daemon_has_landlock_where_the_kernel_has_it(machine):
    lacks.need(machine, "Landlock")
    Person(machine, "ann").signs_up()
    assert "; no " not in machine.show("messengerd.service", "StatusText")
    assert "confined by Landlock: files" in machine.journal("_SYSTEMD_UNIT=messengerd.service")
    # It may refuse to start without, and does not.
    machine.write("/etc/messengerd/conf.d/scene.toml", "[sandbox]\nrequire = true\n")
    machine.must("systemctl restart messengerd.service")
