"""All clients, and the counts."""
import argparse
import asyncio
import collections
import json
import random
import secrets
import selectors
import socket
import sys
import time
from collections.abc import Callable, Coroutine

from client import Client
from stream import Stream


def say(line: dict) -> None:
    print(json.dumps(line), flush=True)





class Looks(selectors.DefaultSelector):
    """Knows for how long nobody looked at the sockets."""

    left: float | None = None
    longest = 0.0

    def select(self, timeout: float | None = None) -> list:
        now = time.monotonic()
        self.longest = max(self.longest, now - (self.left or now))
        ready = super().select(timeout)
        self.left = time.monotonic()
        return ready


class Swarm:
    """All clients, and the counts."""

    def __init__(self, arguments: argparse.Namespace, loop: asyncio.AbstractEventLoop, looks: Looks) -> None:
        self.loop, self.looks = loop, looks
        self.rate, self.patience, self.returning = arguments.rate, arguments.patience, arguments.returning
        self.family, _, _, _, self.address = socket.getaddrinfo(*arguments.address, type=socket.SOCK_STREAM)[0]
        prefix = f"swarm-{secrets.token_hex(4)}"
        names = [f"{prefix}-{number}" for number in range(arguments.clients + arguments.idle)]
        self.clients = {name: Client(self, name) for name in names}
        self.pairs = {name: names[number ^ 1] for number, name in enumerate(names[:arguments.clients])}
        recipients = list(self.pairs.items())
        # An idle client hears of somebody only when all settles: that its connection still serves is seen then.
        recipients += [(names[number % arguments.clients], name) for number, name in enumerate(names[arguments.clients:])]
        for sender, recipient in recipients:
            self.clients[sender].to[recipient] = Stream()
            self.clients[sender].taken[recipient] = 0
        self.going = asyncio.Event()
        self.streaming = self.at_risk = False
        self.began = 0.0
        self.last_heard: float | None = None
        self.longest_pause = self.longest_silence = 0.0
        self.shared_reads = self.torn_reads = self.flickers = self.idle_closed = 0
        self.returned = self.refused = self.unanswered = 0
        self.closed_at: collections.Counter[int] = collections.Counter()

    async def some_time(self) -> None:
        """Waits for as long as is between two messages at the most, so that not all speak at once."""
        await asyncio.sleep(random.uniform(0, 1 / self.rate))

    def heard(self, before: float | None) -> float:
        """A client heard something, and this long before the last time."""
        now = self.loop.time()
        self.longest_pause = max(self.longest_pause, now - (before or now))
        self.longest_silence = max(self.longest_silence, now - (self.last_heard or now))
        self.last_heard = now
        return now

    def was_closed(self, client: Client) -> None:
        if self.streaming:
            self.closed_at[int(self.loop.time() - self.began)] += 1
            self.idle_closed += client.is_idle

    def expects(self, login: str) -> bool:
        """Whether a client is there, or will be."""
        return self.returning or bool(self.clients[login].key)

    async def gather(self) -> None:
        """Everybody signs up, then logs in, then adds their partner: nobody is told of somebody who is still coming."""
        # As many as may wait for their passwords' hashes are not told to try later.
        few = asyncio.Semaphore(16)

        async def everybody(what: str, does: Callable[[Client], Coroutine]) -> None:
            async def one(client: Client) -> None:
                async with few:
                    await does(client)
            await asyncio.gather(*map(one, self.clients.values()))
            print(f"{len(self.clients)} have {what}", file=sys.stderr, flush=True)

        await everybody("signed up", Client.sign_up)
        await everybody("logged in", Client.log_in)
        for client, partner in self.pairs.items():
            await self.clients[client].add(partner)

    def go(self) -> None:
        self.last_heard = None
        for client in self.clients.values():
            client.heard_at = None
        self.going.set()

    async def pause(self) -> bool:
        """Whether all that was sent has come."""
        self.going.clear()
        settling = [asyncio.ensure_future(self.clients[login].settle()) for login in self.pairs]
        done, late = await asyncio.wait(settling, timeout=self.patience)
        for task in late:
            task.cancel()
        for task in done:
            task.result()
        return not late and all(map(self.expects, self.clients))

    def risk(self) -> None:
        self.at_risk = True

    def safe(self) -> None:
        """What was sent before is in doubt, where it was not known before the risk that it was taken."""
        for client in self.clients.values():
            for login, stream in client.to.items():
                stream.may_be_lost(client.taken[login], stream.sent)
                client.taken[login] = stream.sent
        self.at_risk = False

    def counts(self, at: str, settled: bool) -> dict:
        streams = [stream for client in self.clients.values() for stream in client.to.values()]
        return {
            "at": at, "seconds": round(self.loop.time() - self.began, 1), "settled": settled,
            "clients": len(self.clients), "connected": sum(bool(client.key) for client in self.clients.values()),
            "sent": sum(stream.sent for stream in streams), "received": sum(stream.received for stream in streams),
            "lost": sum(stream.lost(settled or at == "end") for stream in streams),
            "doubled": sum(stream.doubled for stream in streams), "trebled": sum(stream.trebled for stream in streams),
            "out_of_order": sum(stream.out_of_order for stream in streams),
            "unsure": sum(stream.unsure(settled or at == "end") for stream in streams),
            "shared_reads": self.shared_reads, "torn_reads": self.torn_reads, "flickers": self.flickers,
            "closed": self.closed_at.total(), "closed_at": dict(self.closed_at), "idle_closed": self.idle_closed,
            "returned": self.returned, "refused": self.refused, "unanswered": self.unanswered,
            "longest_pause_ms": round(self.longest_pause * 1000), "longest_silence_ms": round(self.longest_silence * 1000),
            "own_delay_ms": round(self.looks.longest * 1000),
        }

    async def obey(self, commands: "asyncio.Queue[str]", seconds: float) -> dict:
        """Streams until it is told to end, or for so long; returns the report."""
        self.streaming, self.began, self.looks.longest = True, self.loop.time(), 0.0
        tasks = [asyncio.ensure_future(self.clients[client].talk(partner)) for client, partner in self.pairs.items()]
        if self.returning:
            tasks += [asyncio.ensure_future(client.come_back()) for client in self.clients.values()]
        self.go()
        say(self.counts("streaming", False))
        if seconds:
            self.loop.call_later(seconds, commands.put_nowait, "end")
        while True:
            next_command = asyncio.ensure_future(commands.get())
            await asyncio.wait([next_command, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                # They go on for ever, unless something is wrong with them.
                if task.done():
                    task.result()
            command, settled = await next_command, False
            match command:
                case "pause" | "end":
                    settled = await self.pause()
                case "go":
                    self.go()
                case "risk":
                    self.risk()
                case "safe":
                    self.safe()
                case "counts":
                    pass
                case _:
                    print(f"there is no command {command!r}", file=sys.stderr, flush=True)
                    continue
            report = self.counts(command, settled)
            if command == "end":
                return report
            say(report)
