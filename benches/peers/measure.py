"""One run: a fresh server, one workload, one result."""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import typing

import peers
from processes import Failure, Server, cpus, free_port
from workloads import HASHED, Sizes, arguments, longest


class Bench:
    """A place to measure in, with the generator and the accounts that were made so far."""

    def __init__(self, scratch: pathlib.Path, generator: pathlib.Path, sizes: Sizes, lock: pathlib.Path | None) -> None:
        self.scratch, self.generator, self.sizes, self.lock = scratch, generator, sizes, lock
        self.useless: dict[str, str] = {}

    @contextlib.contextmanager
    def quiet(self) -> typing.Iterator[None]:
        """Nobody else measures meanwhile, among those who hold the same lock."""
        if self.lock is None:
            yield
            return
        with self.lock.open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def run(self, row: peers.Row, workload: str) -> dict:
        """The generator's result, or a Failure."""
        try:
            return self._run(row, workload)
        except (OSError, subprocess.CalledProcessError) as error:
            # A program of the peer's that isn't there, or a file that can't be copied: the others can go on.
            raise Failure(self.without_paths(str(error))) from error

    def _run(self, row: peers.Row, workload: str) -> dict:
        accounts = self._accounts(row.peer, workload)
        with self.quiet(), self._server(row.peer, workload, accounts) as (server, port):
            options = [*arguments(workload, self.sizes, row.warmup), *row.peer.options(workload)]
            result = self._generate(server, port, options, longest(workload, self.sizes, row.warmup))
        # A quotient of nothing.
        if None in result.values():
            raise Failure("nothing was delivered while it was measured")
        return result

    @contextlib.contextmanager
    def _server(self, peer: peers.Peer, workload: str, accounts: pathlib.Path | None) -> typing.Iterator[tuple[Server, int]]:
        home, port = self.scratch / "home", free_port()
        peers.fresh(home, accounts)
        with contextlib.ExitStack() as ends:
            if companion := peer.companion(home):
                command, environment, its_port = companion
                self._start(command, environment, its_port, ends, "companion")
            command, environment = peer.command(home, port, workload)
            yield self._start(command, environment, port, ends, "server"), port

    def _start(self, command: list[str], environment: dict, port: int, ends: contextlib.ExitStack, name: str) -> Server:
        log = self.scratch / f"{name}.log"
        log.unlink(missing_ok=True)
        try:
            server = Server(command, environment, log)
            ends.callback(server.end)
            server.wait_until_it_listens(port)
        except Failure as failure:
            raise Failure(self.without_paths(str(failure))) from failure
        return server

    def _generate(self, server: Server, port: int, options: list[str], seconds: float) -> dict:
        command = ["taskset", "-c", str(cpus()[1]), str(self.generator), options[0], "--addr", f"127.0.0.1:{port}",
                   "--server-pid", str(server.pid), *options[1:]]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"no result within {seconds:g} s") from None
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["the generator said nothing"])[-1]
            if server.process.poll() is not None:
                why += f"; the server has ended: {server.last_words()}"
            raise Failure(self.without_paths(why))
        return json.loads(done.stdout)

    def _accounts(self, peer: peers.Peer, workload: str) -> pathlib.Path | None:
        """The data directory with the accounts that the server needs; they are made the first time."""
        name = peer.accounts(workload)
        if name is None:
            return None
        if name in self.useless:
            raise Failure(self.useless[name])
        users, watchers = self.sizes.connections, self.sizes.watchers
        if workload == "logins" and name.endswith("-hashed"):
            users, watchers = HASHED, 0
        kept = self.scratch / f"accounts-{name}-{users}-{watchers}"
        if kept.exists():
            return kept
        print(f"    accounts for {name} ...", flush=True)
        options = ["setup", *peer.options(workload), "--users", str(users), "--watchers", str(watchers)]
        try:
            with self._server(peer, workload, None) as (server, port):
                self._generate(server, port, options, 900)
        except Failure as failure:
            # Each of its runs would try again, for minutes.
            self.useless[name] = f"no accounts could be made: {failure}"
            raise Failure(self.useless[name]) from failure
        shutil.move(self.scratch / "home" / "data", kept)
        return kept

    def without_paths(self, text: str) -> str:
        """For the table: where this was measured is nobody's business, and differs each time."""
        return text.replace(str(self.scratch) + os.sep, "").replace(str(self.scratch), "")[:300]
