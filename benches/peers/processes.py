"""Servers as processes: started on a CPU of their own, waited for, and ended with all that they have started."""
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

# Seconds for a server to listen, and to end by itself.
START, END = 60, 20


class Failure(Exception):
    """A run that has no result, and why."""


def cpus() -> tuple[int, int]:
    """Where the server runs, and where the generator: the same one on a machine that has no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[min(1, len(allowed) - 1)]


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody listens there on 127.0.0.1. It asks the kernel: a connection would be one more for the server."""
    wanted = f"0100007F:{port:04X}"
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(fields[1] == wanted and fields[3] == "0A" for fields in map(str.split, lines))


def _tree(root: int) -> dict[int, str]:
    """The process and all that descend from it, with their names."""
    names, parents = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                head, tail = (entry / "stat").read_text().rsplit(")", 1)
            except OSError:
                continue  # It has ended meanwhile.
            names[int(entry.name)] = head.split("(", 1)[1]
            parents[int(entry.name)] = int(tail.split()[1])
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return {process: names.get(process, "") for process in found}


class Server:
    """A running server. What it says goes into the file `log`."""

    def __init__(self, command: list[str], environment: dict[str, str], log: pathlib.Path) -> None:
        self.log = log
        with log.open("ab") as said:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(cpus()[0]), *command], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=said, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_it_listens(self, port: int) -> None:
        until = time.monotonic() + START
        while not listens(port):
            if self.process.poll() is not None:
                raise Failure(f"the server ended at its start: {self.last_words()}")
            if time.monotonic() > until:
                raise Failure(f"the server did not listen within {START} s: {self.last_words()}")
            time.sleep(0.05)
        # What else belongs to its start is not to be measured.
        time.sleep(1)

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"

    def end(self) -> None:
        """Asks it to end, and then kills what is left of it. Processes are held by descriptors: a number may be somebody
        else's by then."""
        if self.process.poll() is not None:
            return
        held = {}
        for process, name in _tree(self.pid).items():
            try:
                held[os.pidfd_open(process)] = name
            except ProcessLookupError:
                pass
        # A script that has started ejabberd would leave it running.
        main = next((fd for fd, name in held.items() if name == "beam.smp"), next(iter(held)))
        left = select.poll()
        for fd in held:
            left.register(fd, select.POLLIN)
        try:
            _send(main, signal.SIGTERM)
            until = time.monotonic() + END
            alive = set(held)
            while alive and (rest := until - time.monotonic()) > 0:
                for fd, _ in left.poll(rest * 1000):
                    alive.discard(fd)
                    left.unregister(fd)
            for fd in alive:
                _send(fd, signal.SIGKILL)
        finally:
            for fd in held:
                os.close(fd)
        self.process.wait()


def _send(fd: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        pass
