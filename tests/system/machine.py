"""A whole Debian with systemd as its PID 1, beside the tests: systemd-nspawn on a base root that mmdebstrap made once.

Nothing that a machine does stays: it runs on an overlay in memory. It has a network of its own, with only a loopback,
so that machines do not meet. What is run in it enters its namespaces; a scene's sockets are opened in its network.

A machine can also do without systemd: then it is a bare container, and a command is its PID 1.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid

from lacks import NotPlayed

CLONE_NEWNET = 0x40000000
PACKAGES = "systemd,systemd-sysv,dbus,iproute2,init-system-helpers"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What systemd-nspawn forbids and a machine does not: Landlock, and the filters behind IPAddressDeny=.
SYSTEM_CALLS = "landlock_create_ruleset landlock_add_rule landlock_restrict_self bpf"
# Long enough for a machine under load; nothing waits so long when all is well.
PATIENCE = 60


class CannotRun(Exception):
    """This machine lacks what the stage needs."""


def check_host():
    """Says what is missing, rather than failing halfway."""
    if os.geteuid() != 0:
        raise CannotRun("containers need root")
    for program, package in (("systemd-nspawn", "systemd-container"), ("mmdebstrap", "mmdebstrap"), ("nsenter", "util-linux")):
        if shutil.which(program) is None:
            raise CannotRun(f"{program} is not here: apt-get install {package}")


def base_root(suite):
    """The plain Debian that machines run on: made once, and kept outside the checkout. Removing it makes it anew."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "messengerd-system-tests"
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / suite
    if not root.exists():
        print(f"making {root}", flush=True)
        unfinished = pathlib.Path(tempfile.mkdtemp(prefix=f"{suite}.", dir=cache))
        made = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, unfinished])
        if made.returncode != 0:
            shutil.rmtree(unfinished)
            raise CannotRun(f"mmdebstrap could not make a {suite}: it ended with {made.returncode}")
        unfinished.chmod(0o755)
        unfinished.rename(root)
    return root


def eventually(what, condition, patience=PATIENCE):
    """Waits for a condition and returns what it returned; fails when it does not come about."""
    deadline = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: this did not come about within {patience} s")
        time.sleep(0.02)


class Ran:
    """What came of a command."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


class Machine:
    """One Debian: `with Machine("bookworm", folder) as machine:`. The folder is at /stage inside, read-only; and `shared`,
    a folder of this machine, at /shared.

    It boots. With a `command` it does not: a shell runs that as PID 1, and without a systemd; the machine is there when
    PID 1 is the program named `becomes`, and `said()` is what that has written. With `unified`, its systemd has the
    unified cgroup hierarchy, even where this machine divides it (then without limits for memory and tasks)."""

    def __init__(self, suite, folder, command=None, becomes="systemd", unified=False):
        self.suite, self.folder, self.command, self.becomes, self.unified = suite, folder, command, becomes, unified

    def __enter__(self):
        self.name = f"messengerd-{self.suite}-{uuid.uuid4().hex[:8]}"
        # Appended to, wherever we read.
        self.log = tempfile.TemporaryFile("a+b")
        self.shared = tempfile.TemporaryDirectory(prefix="messengerd-shared-")
        env = os.environ | ({"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"} if self.unified else {})
        what = ["--boot"] if self.command is None else ["--console=pipe", "sh", "-c", self.command]
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", f"--system-call-filter={SYSTEM_CALLS}", "--directory", base_root(self.suite),
             "--machine", self.name, "--volatile=overlay", f"--bind-ro={self.folder}:/stage", f"--bind={self.shared.name}:/shared",
             "--private-network", "--register=no", "--keep-unit", *what],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env)
        try:
            self.leader = eventually(f"{self.becomes} as the container's PID 1", self._leader)
            if self.command is None:
                eventually("the container's systemd takes commands", lambda: self.run("systemctl is-system-running --wait").out in ("running\n", "degraded\n"))
                state = self.run("systemctl is-system-running")
                assert state.out == "running\n", f"the plain Debian does not boot well: {self.run('systemctl --failed')!r}"
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, fault, *_):
        if fault is not None and issubclass(fault, Exception) and not issubclass(fault, NotPlayed):
            self._tell()
        self._end()

    def _tell(self):
        """For a scene that fails: what the machine has to say."""
        if self.command is not None:
            print(self.said())
        elif self.nspawn.poll() is None:
            print(self.run("journalctl --no-pager --quiet -n 40 --output=short-precise").out)

    def _end(self):
        if self.nspawn.poll() is None and getattr(self, "leader", None):
            if self.command is None:
                self.run("systemctl poweroff --force --force")
            else:
                self.nspawn.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.nspawn.wait(10)
        if self.nspawn.poll() is None:
            self.nspawn.kill()
            self.nspawn.wait()
        self.log.close()
        self.shared.cleanup()

    def said(self):
        """What the container's console was told."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def told_to_end(self):
        """Sends SIGTERM to PID 1, and returns its exit code."""
        os.kill(int(self.leader), signal.SIGTERM)
        return self.nspawn.wait(PATIENCE)

    def _leader(self):
        if self.nspawn.poll() is not None:
            raise CannotRun(f"systemd-nspawn ended with {self.nspawn.returncode}: {self.said()}")
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        names = {child: pathlib.Path(f"/proc/{child}/comm").read_text().strip() for child in children}
        return next((child for child, name in names.items() if name == self.becomes), None)

    def run(self, command, input=None, env=None):
        """Runs a shell command as root inside."""
        inside = ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-C", "--", "env", "-i",
                  f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8",
                  "DEBIAN_FRONTEND=noninteractive", "PAGER=cat", *(f"{name}={value}" for name, value in (env or {}).items()),
                  "sh", "-c", command]
        done = subprocess.run(inside, input=input, stdin=None if input is not None else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        return Ran(done)

    def must(self, command, **how):
        """Runs a shell command that has to succeed, and returns what it printed."""
        ran = self.run(command, **how)
        assert ran.code == 0, f"{command}: {ran!r}"
        return ran.out

    def in_network(self, *command):
        """Runs a program of this machine in the container's network."""
        return Ran(subprocess.run(["nsenter", "-t", self.leader, "-n", "--", *command], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300))

    def enter_network(self):
        """Takes the calling thread into the container's network, for good. Its sockets remember where they were made."""
        with open(f"/proc/{self.leader}/ns/net") as network:
            assert ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) == 0

    def socket(self, address):
        """A TCP socket in the container's network, for an address of this family."""
        made = []

        def open_there():
            self.enter_network()
            made.append(socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET))

        thread = threading.Thread(target=open_there)
        thread.start()
        thread.join()
        made[0].settimeout(PATIENCE)
        return made[0]

    def connect(self, address=("127.0.0.1", 54321)):
        """A TCP connection inside the container, held by the scene."""
        connection = self.socket(address)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection

    def listen(self, address):
        """A TCP listener inside the container, held by the scene."""
        listener = self.socket(address)
        listener.bind(address)
        listener.listen()
        return listener

    def write(self, path, text):
        """Writes a file inside, and the directories it is in."""
        self.must(f"mkdir -p '{pathlib.PurePosixPath(path).parent}' && cat >'{path}'", input=text)

    def show(self, unit, name):
        """One property of a unit."""
        return self.must(f"systemctl show --value --property={name} {unit}").strip()

    def journal(self, *matches):
        """The journal's records, as text."""
        return self.must("journalctl --quiet --no-pager --output=cat " + " ".join(f"'{match}'" for match in matches))

    def outside(self, pid):
        """The number that a process of the container has on this machine."""
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                for line in status.read_text().splitlines():
                    if line.startswith("NSpid:") and line.split()[1:][1:] == [str(pid)]:
                        same = os.readlink(status.parent / "ns/pid") == os.readlink(f"/proc/{self.leader}/ns/pid")
                        if same:
                            return int(status.parent.name)
        raise AssertionError(f"no process {pid} in the container")
