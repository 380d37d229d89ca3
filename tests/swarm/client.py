"""One client: its connections, what it asks, what it is told."""
import asyncio
import contextlib
import random
import socket
import typing

from packets import ADD_CONTACT, GET_CONTACTS, LOG_IN, MESSAGE, PUSHED_MESSAGE, PUSHED_STATUS, SIGN_UP, TRY_LATER
from packets import Nonsense, Torn, first_packet
from stream import Stream

if typing.TYPE_CHECKING:
    from crowd import Swarm

PASSWORD = "secret of the swarm"
# Seconds from one request that is answered to the next.
CHECK_EVERY = 2.0


class Client:
    """One client, on one connection after the other."""

    def __init__(self, swarm: "Swarm", login: str) -> None:
        self.swarm, self.login = swarm, login
        self.to: dict[str, Stream] = {}
        self.taken: dict[str, int] = {}
        self.socket: socket.socket | None = None
        self.key, self.rest = b"", b""
        self.answer: asyncio.Future[bytes] | None = None
        # Held while an answer is awaited. Nothing else is sent then: the server takes a request for a sign that the answer
        # before it was read.
        self.asking = asyncio.Lock()
        self.ended = asyncio.Event()
        self.heard_at: float | None = None

    @property
    def is_idle(self) -> bool:
        return not self.to

    async def connect(self) -> None:
        connection = socket.socket(self.swarm.family)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self.swarm.loop.sock_connect(connection, self.swarm.address)
        except BaseException:
            connection.close()
            raise
        self.socket, self.rest = connection, b""
        self.ended.clear()
        self.swarm.loop.add_reader(connection, self._read)

    def disconnect(self) -> None:
        if self.socket is None:
            return
        self.swarm.loop.remove_reader(self.socket)
        self.socket.close()
        self.socket, self.key = None, b""
        if self.answer is not None and not self.answer.done():
            self.answer.cancel()
        for login, stream in self.to.items():
            stream.may_be_lost(self.taken[login], stream.sent)
            self.taken[login] = stream.sent
        self.ended.set()

    def _read(self) -> None:
        try:
            read = self.socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            read = b""
        if not read:
            self.swarm.was_closed(self)
            self.disconnect()
            return
        packets, self.rest = 0, self.rest + read
        try:
            while self.rest:
                size = first_packet(self.rest)
                packet, self.rest = self.rest[:size], self.rest[size:]
                packets += 1
                self._take(packet)
        except Torn:
            self.swarm.torn_reads += 1
        self.swarm.shared_reads += packets > 1

    def _take(self, packet: bytes) -> None:
        if packet[0] == PUSHED_MESSAGE:
            sender, number = packet[1:-1].decode().split("\r")
            self.swarm.clients[sender].to[self.login].came(int(number))
            self.heard_at = self.swarm.heard(self.heard_at)
        elif packet[0] == PUSHED_STATUS:
            self.swarm.flickers += self.swarm.streaming
        elif self.answer is not None and not self.answer.done():
            self.answer.set_result(packet)
        else:
            raise Nonsense(f"{self.login} asked nothing, and is answered {packet!r}")

    def write(self, request: bytes) -> None:
        """One packet, one write. A connection that fails is noticed by reading: what came on it before is read first."""
        with contextlib.suppress(OSError):
            self.socket.send(request)

    def request(self, kind: int, *fields: str) -> bytes:
        key = [self.key] if kind not in (SIGN_UP, LOG_IN) else []
        return bytes([kind]) + b"\r".join(key + [field.encode() for field in fields])

    async def ask(self, kind: int, *fields: str) -> bytes:
        """The answer; ConnectionError when the connection ends without one."""
        async with self.asking:
            if self.socket is None:
                raise ConnectionResetError(f"the server closed the connection of {self.login}")
            self.answer = self.swarm.loop.create_future()
            self.write(self.request(kind, *fields))
            done, _ = await asyncio.wait([self.answer], timeout=self.swarm.patience / 2)
            if not done:
                self.swarm.unanswered += 1
                self.disconnect()
            if not done or self.answer.cancelled():
                raise ConnectionResetError(f"the server did not answer {self.login}")
            return self.answer.result()

    async def sign_up(self) -> None:
        await self.connect()
        answer = await self.ask(SIGN_UP, f"{self.login}@example.org", self.login, PASSWORD)
        if answer != b"\x00\x00":
            raise Nonsense(f"{self.login} can't sign up: {answer!r}")

    async def log_in(self) -> None:
        while True:
            answer = await self.ask(LOG_IN, self.login, PASSWORD)
            if answer != TRY_LATER:
                break
            await asyncio.sleep(random.uniform(0.2, 1))
        if answer[:2] != b"\x01\x00":
            raise Nonsense(f"{self.login} can't log in: {answer!r}")
        self.key = answer[3:]

    async def add(self, login: str) -> None:
        answer = await self.ask(ADD_CONTACT, login)
        if answer[:2] != b"\x04\x00":
            raise Nonsense(f"{self.login} can't add {login}: {answer!r}")

    def say(self, login: str) -> int:
        """Sends the next number, and returns it."""
        number = self.to[login].write()
        self.write(self.request(MESSAGE, login, f"{number}\n"))
        return number

    async def check(self) -> None:
        """When this returns, the server has taken all that was sent before."""
        before = {login: stream.sent for login, stream in self.to.items()}
        await self.ask(GET_CONTACTS)
        if not self.swarm.at_risk:
            self.taken = {login: max(taken, before[login]) for login, taken in self.taken.items()}

    async def talk(self, partner: str) -> None:
        """Sends at a steady rate, for ever. What could not be sent at its time is left out."""
        await self.swarm.some_time()
        due = checked = self.swarm.loop.time()
        while True:
            await asyncio.sleep(max(due - self.swarm.loop.time(), 0))
            while not self.swarm.going.is_set():
                await self.swarm.going.wait()
                await self.swarm.some_time()
            if self.key and not self.asking.locked():
                self.say(partner)
                if self.swarm.loop.time() > checked + CHECK_EVERY:
                    with contextlib.suppress(ConnectionError):
                        await self.check()
                    checked = self.swarm.loop.time()
            due = max(due + 1 / self.swarm.rate, self.swarm.loop.time())

    async def come_back(self) -> None:
        """Logs in again whenever the connection has ended, for ever."""
        while True:
            await self.ended.wait()
            pause = 0.05
            while not self.key:
                await asyncio.sleep(random.uniform(0, pause))
                pause = min(pause * 2, 2)
                try:
                    await self.connect()
                    await self.log_in()
                except OSError as error:
                    self.swarm.refused += isinstance(error, ConnectionRefusedError)
                    self.disconnect()
            self.swarm.returned += 1

    async def settle(self) -> None:
        """Sends a last message that is known to be taken, and waits until it has come: by their order, what was sent
        before it has come as well, or never will."""
        await self.swarm.some_time()
        while self.swarm.returning or self.key:
            try:
                async with self.asking:
                    last = {login: self.say(login) for login in self.to if self.key}
                if last:
                    await self.check()
                    break
            except ConnectionError:
                pass
            await asyncio.sleep(0.05)
        else:
            return
        while any(self.to[login].next <= number for login, number in last.items() if self.swarm.expects(login)):
            await asyncio.sleep(0.02)
