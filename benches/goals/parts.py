"""What is measured: each piece is a fresh server, and some figures."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import typing

import machine
import stores
from client import Client, LoggingIn, on_the_generators_cpu, online, paced, quantile
from measure import Bench
from peers import Messengerd, Peer, Relay, fresh
from processes import END, START, Failure, Server, cpus, free_port
from sizes import ASKING, AT_ONCE, FEW, PAIRED, Sizes
from workloads import PASSWORD

Figures = dict[str, float]
# A name, and how its figures come about.
Piece = tuple[str, typing.Callable[[], Figures]]

GENERATOR = ["--proto", "classic", "--password", PASSWORD]
# Of all requests of a kind, the part that goes before those that are measured.
WARMUP = 8
# Seconds from the start until the memory is looked at.
REST = 2


class Ours(Messengerd):
    """messengerd, where told so on a store that stays where it is."""

    store: pathlib.Path | None = None

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        command, environment = super().command(home, port, workload)
        return command, environment | ({"STATE_DIRECTORY": str(self.store)} if self.store else {})


class Starting(Server):
    """A server that is watched from its start: it is begun on its CPU without another program's help, and says itself when
    it is ready."""

    def __init__(self, command: list[str], environment: dict[str, str], log: pathlib.Path, home: pathlib.Path) -> None:
        self.log, path = log, home / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard, log.open("wb") as said:
            path.unlink(missing_ok=True)
            heard.bind(str(path))
            # It is somebody else by then.
            path.chmod(0o777)
            # Only to see whether it has ended meanwhile.
            heard.settimeout(0.5)
            allowed = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {cpus()[0]})
            try:
                began = time.perf_counter()
                self.process = subprocess.Popen(
                    command, env={**os.environ, **environment, "NOTIFY_SOCKET": str(path)}, stdin=subprocess.DEVNULL,
                    stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
            finally:
                os.sched_setaffinity(0, allowed)
            while not self._is_ready(heard):
                if self.process.poll() is not None:
                    raise Failure(f"the server ended at its start: {self.last_words()}")
                if time.perf_counter() - began > START:
                    self.end()
                    raise Failure(f"it was not ready within {START} s: {self.last_words()}")
            self.took_ms = (time.perf_counter() - began) * 1000

    @staticmethod
    def _is_ready(heard: socket.socket) -> bool:
        try:
            return b"READY=1" in heard.recv(65536).splitlines()
        except TimeoutError:
            return False


def pss(pid: int) -> int:
    """Bytes of memory, with the part that the process has in what it shares with others."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def cpu_us(pid: int) -> float:
    """What the process and all its threads have taken so far, by its clock (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1000


class Place(Bench):
    """A place to measure in."""

    def __init__(self, scratch: pathlib.Path, generator: pathlib.Path, sizes: Sizes, lock: pathlib.Path | None,
                 programs: dict[str, pathlib.Path | None]) -> None:
        super().__init__(scratch, generator, sizes, lock)
        self.ours, self.relay, self.argon2 = Ours(program=programs["messengerd"]), programs["relay"], programs["argon2"]

    @contextlib.contextmanager
    def running(self, peer: Peer, workload: str, data: pathlib.Path | None = None) -> typing.Iterator[tuple[Server, int]]:
        with self._server(peer, workload, data) as running:
            yield running

    def store(self, store: stores.Store) -> pathlib.Path:
        return stores.made(self, self.ours, store)

    @contextlib.contextmanager
    def serving(self, store: stores.Store) -> typing.Iterator[tuple[Server, int]]:
        """On a copy of the store, or on the store itself if it is too large for that."""
        folder = self.store(store)
        with self.quiet():
            if not store.messages:
                with self.running(self.ours, store.workload, folder) as running:
                    yield running
                return
            self.ours.store = folder
            try:
                with self.running(self.ours, store.workload) as running:
                    yield running
            finally:
                self.ours.store = None
                stores.tidy(folder)

    def generate(self, running: tuple[Server, int], workload: str, **options: float) -> Figures:
        """The generator's figures."""
        words = [word for name, value in options.items() for word in (f"--{name}", f"{value:g}")]
        figures = self._generate(*running, [workload, *GENERATOR, *words], sum(options.values()) / 100 + 120)
        if None in figures.values():
            raise Failure("nothing was delivered while it was measured")
        return figures

    @contextlib.contextmanager
    def started(self, data: pathlib.Path | None, *, empty: bool) -> typing.Iterator[Starting]:
        """A start that is watched, in `data`, or in a new home's."""
        home = self.scratch / "home"
        if empty or not home.exists():
            fresh(home, None)
        self.ours.store = data
        try:
            command, environment = self.ours.command(home, free_port(), "pairs")
        finally:
            self.ours.store = None
        server = Starting(command, environment, self.scratch / "server.log", home)
        try:
            yield server
        finally:
            server.end()


# What is measured, part by part.


def idle(place: Place) -> list[Piece]:
    def connections(count: int) -> Figures:
        # Of accounts that don't log in, some would be in the store's caches.
        with place.serving(stores.Store(count)) as running:
            return place.generate(running, "idle", users=count, settle=place.sizes.settle)

    return [(f"idle-{count}", lambda count=count: connections(count)) for count in place.sizes.idle]


def latency(place: Place) -> list[Piece]:
    sizes = place.sizes

    def disk(pause: float = 0) -> Figures:
        with place.quiet():
            return {"us": machine.fsync_us(place.scratch, pause=pause)}

    # A disk and a CPU that have been idle for some milliseconds take longer than those that have not.
    def disk_at_a_pace() -> Figures:
        return disk(1 / sizes.each_second)

    def alone() -> Figures:
        with place.serving(sizes.many) as running:
            return place.generate(running, "pairs", users=2, window=1, warmup=1, secs=sizes.alone)

    def at_a_pace(port: int) -> Figures:
        users = [f"u{number:05}" for number in range(sizes.paced_users)]
        with on_the_generators_cpu():
            took = paced(port, users, sizes.each_second, sizes.warmup, sizes.paced)
        return {"p50_us": quantile(took, 0.5), "p99_us": quantile(took, 0.99)}

    def ours_at_a_pace() -> Figures:
        with place.serving(sizes.many) as (_, port):
            return at_a_pace(port)

    def relay_at_a_pace() -> Figures:
        if place.relay is None:
            raise Failure("there is no benches/relay.rs")
        with place.quiet(), place.running(Relay(program=place.relay), "pairs") as (_, port):
            return at_a_pace(port)

    def saturated() -> Figures:
        with place.serving(sizes.many) as running, Syncs(running[0], sizes) as syncs:
            figures = place.generate(running, "pairs", users=PAIRED, warmup=sizes.warmup, secs=sizes.pairs)
        if syncs.each_second:
            figures["deliveries_per_sync"] = figures["deliveries_per_s"] / syncs.each_second
        return figures

    # The disk before each that is compared to it.
    return [("disk", disk), ("alone", alone), ("disk-paced", disk_at_a_pace), ("paced", ours_at_a_pace), ("paced-relay", relay_at_a_pace),
            ("saturated", saturated)]


class Syncs(threading.Thread):
    """Counts the server's calls of fdatasync(2) for half of the time in which the generator measures, if perf(1) may."""

    def __init__(self, server: Server, sizes: Sizes) -> None:
        super().__init__(daemon=True)
        self.server, self.sizes, self.each_second = server, sizes, 0.0

    def run(self) -> None:
        # Log-ins take a moment.
        time.sleep(self.sizes.warmup + self.sizes.pairs / 4)
        seconds = self.sizes.pairs / 2
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            counted = subprocess.run(
                ["taskset", "-c", str(cpus()[1]), "perf", "stat", "-x,", "-e", "syscalls:sys_enter_fdatasync",
                 "-p", str(self.server.pid), "--", "sleep", f"{seconds:g}"],
                capture_output=True, text=True, check=True, timeout=seconds + 10).stderr
            self.each_second = int(counted.split(",")[0]) / seconds

    def __enter__(self) -> "Syncs":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join(self.sizes.warmup + self.sizes.pairs + END)


def rest(place: Place) -> list[Piece]:
    sizes = place.sizes

    def start(data: pathlib.Path | None, *, empty: bool = False) -> Figures:
        with place.started(data, empty=empty) as server:
            time.sleep(REST)
            return {"ready_ms": server.took_ms, "pss": pss(server.pid)}

    def at_rest() -> Figures:
        with place.quiet():
            first = start(None, empty=True)
            return {"first_ready_ms": first["ready_ms"], **start(None)}

    def at_rest_large() -> Figures:
        folder = place.store(sizes.large)
        with place.quiet():
            return start(folder)

    def messages(store: stores.Store) -> Figures:
        with place.serving(store) as running:
            figures = place.generate(running, "pairs", users=PAIRED, warmup=sizes.warmup, secs=sizes.pairs)
            return {**figures, "message": figures["server_us_per_delivery"]}

    def requests(store: stores.Store) -> Figures:
        with place.serving(store) as (server, port), on_the_generators_cpu():
            return Requests(server, port, store, sizes.requests).all()

    return [("rest", at_rest), ("rest-large", at_rest_large),
            *((f"{kind}-{name}", lambda what=what, store=store: what(store))
              for kind, what in (("messages", messages), ("requests", requests))
              for name, store in (("small", sizes.small), ("large", sizes.large)))]


class Requests:
    """What each kind of request costs the server, microseconds of its CPU. Some are under way at the same time."""

    def __init__(self, server: Server, port: int, store: stores.Store, count: int) -> None:
        self.server, self.port, self.store, self.count = server, port, store, count

    def all(self) -> Figures:
        logins = self.store.sample(ASKING)
        with online(self.port, logins) as clients:
            figures = {"contacts": self._contacts(clients), "add": self._add(clients, set(logins))}
        return {**figures, "login": self._log_in(), "signup": self._sign_up()}

    def _each(self, groups: typing.Iterable[typing.Callable[[], None]]) -> float:
        """The cost of a request, of groups of AT_ONCE."""
        warmup, done, before = self.count // WARMUP // AT_ONCE, 0, 0.0
        for done, group in enumerate(groups):
            if done == warmup:
                self._settle()
                before = cpu_us(self.server.pid)
            group()
        self._settle()
        return (cpu_us(self.server.pid) - before) / ((done + 1 - warmup) * AT_ONCE)

    @staticmethod
    def _settle() -> None:
        """The server's work goes on a little when a request is answered."""
        time.sleep(0.2)

    def _rounds(self, clients: list[Client]) -> typing.Iterator[list[Client]]:
        for first in range(0, self.count, AT_ONCE):
            yield [clients[(first + number) % len(clients)] for number in range(AT_ONCE)]

    def _contacts(self, clients: list[Client]) -> float:
        def ask(group: list[Client]) -> None:
            for client in group:
                client.ask_for_contacts()
            for client in group:
                client.answer(b"\x03\x00")

        return self._each(lambda group=group: ask(group) for group in self._rounds(clients))

    def _add(self, clients: list[Client], online_now: set[str]) -> float:
        # Whoever is there already would not be written; with accounts in another order for each client, few are.
        others = {client: [login for login in self.store.sample(2 * self.count // len(clients) + 8)
                           if login not in online_now] for client in clients}

        def add(group: list[Client]) -> None:
            for client in group:
                client.ask_to_add(others[client].pop())
            for client in group:
                client.answer(b"\x04\x00")

        return self._each(lambda group=group: add(group) for group in self._rounds(clients))

    def _log_in(self) -> float:
        logins = self.store.sample(self.count)

        def log_in(first: int) -> None:
            clients = [Client(self.port) for _ in range(AT_ONCE)]
            for number, client in enumerate(clients):
                client.ask_to_log_in(logins[(first + number) % len(logins)])
            for client in clients:
                client.is_logged_in()
            for client in clients:
                client.leave()

        return self._each(lambda first=first: log_in(first) for first in range(0, self.count, AT_ONCE))

    def _sign_up(self) -> float:
        # Names that nobody has, in no order, also if the store has seen another run.
        names = [f"n{number * stores.LEAP % 1_000_003:07}-{time.time_ns():x}" for number in range(self.count)]
        clients = [Client(self.port) for _ in range(AT_ONCE)]

        def sign_up(first: int) -> None:
            for number, client in enumerate(clients):
                client.ask_to_sign_up(names[first + number])
            for client in clients:
                client.answer(b"\x00\x00")

        try:
            return self._each(lambda first=first: sign_up(first) for first in range(0, self.count, AT_ONCE))
        finally:
            for client in clients:
                client.leave()


def growth(place: Place) -> list[Piece]:
    sizes = place.sizes

    def pairs(users: int) -> Figures:
        with place.serving(sizes.many) as running:
            return place.generate(running, "pairs", users=users, warmup=sizes.warmup, secs=sizes.growing)

    def relay(users: int) -> Figures:
        if place.relay is None:
            raise Failure("there is no benches/relay.rs")
        with place.quiet(), place.running(Relay(program=place.relay), "pairs") as running:
            return place.generate(running, "pairs", users=users, warmup=sizes.warmup, secs=sizes.growing)

    few, *_, most = sizes.growth
    return [*((f"growth-{users}", lambda users=users: pairs(users)) for users in sizes.growth),
            *((f"growth-relay-{users}", lambda users=users: relay(users)) for users in (few, most))]


def logins(place: Place) -> list[Piece]:
    sizes, accounts = place.sizes, place.sizes.hashed.accounts

    def argon2() -> float:
        if place.argon2 is None:
            raise Failure("there is no benches/argon2.rs")
        # Where the server is, so that it is the same core.
        command = ["taskset", "-c", str(cpus()[0]), str(place.argon2), str(sizes.hashes)]
        return json.loads(machine.output(*command))["cpu_ms_per_hash"]

    def cost() -> Figures:
        with place.serving(sizes.hashed) as running:
            before = argon2()
            figures = place.generate(running, "logins", users=accounts, secs=sizes.logins)
            return {**figures, "argon2_ms": (before + argon2()) / 2}

    def alone() -> Figures:
        with place.serving(sizes.hashed) as running:
            return place.generate(running, "pairs", users=FEW, warmup=sizes.warmup, secs=sizes.alone)

    def beside() -> Figures:
        # Who logs in is not who gets messages.
        others = [f"u{number:05}" for number in range(FEW, accounts)]
        with place.serving(sizes.hashed) as running:
            with LoggingIn(running[1], others, AT_ONCE) as logging_in:
                figures = place.generate(running, "pairs", users=FEW, warmup=sizes.warmup, secs=sizes.alone)
            return {**figures, "logins_per_s": logging_in.each_second()}

    return [("logins", cost), ("few", alone), ("few-beside-logins", beside)]


PARTS = {"idle": idle, "latency": latency, "rest": rest, "growth": growth, "logins": logins}
