"""A client of the classic protocol, as much of it as is measured here, and messages at a pace."""
import contextlib
import gc
import os
import select
import socket
import struct
import threading
import time
import typing

from processes import Failure, cpus
from workloads import PASSWORD

SEPARATOR = b"\r"
# Seconds until an answer is missing.
PATIENCE = 10
# As the load generator's messages.
PAYLOAD = 64


@contextlib.contextmanager
def on_the_generators_cpu() -> typing.Iterator[None]:
    """This thread works where the generator does, and the server has its CPU to itself."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpus()[1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Client:
    """A connection. It reads what comes as the protocol wants it: a packet with each read."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # It leaves with a reset, as the generator's clients do: no port has to wait.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.key = b""

    def ask(self, request: bytes) -> None:
        self.socket.sendall(request)

    def answer(self, *expected: bytes) -> bytes:
        """The next packet, which has to begin with one of these."""
        try:
            packet = self.socket.recv(65536)
        except TimeoutError:
            raise Failure(f"no answer within {PATIENCE} s") from None
        if not packet.startswith(expected):
            raise Failure(f"the answer begins with {packet[:2].hex(' ') or 'the end of the stream'}")
        return packet

    def ask_to_log_in(self, login: str) -> None:
        self.ask(b"\x01" + login.encode() + SEPARATOR + PASSWORD.encode())

    def is_logged_in(self) -> None:
        packet = self.answer(b"\x01\x00\r")
        while len(packet) < 7:
            packet += self.answer(b"")
        self.key = packet[3:7]

    def log_in(self, login: str) -> "Client":
        self.ask_to_log_in(login)
        self.is_logged_in()
        return self

    def ask_to_sign_up(self, login: str) -> None:
        self.ask(b"\x00" + f"{login}@example.org\r{login}\r{PASSWORD}".encode())

    def ask_for_contacts(self) -> None:
        self.ask(b"\x03" + self.key)

    def ask_to_add(self, login: str) -> None:
        self.ask(b"\x04" + self.key + SEPARATOR + login.encode())

    def send(self, recipient: str, text: bytes) -> None:
        self.ask(b"\x06" + self.key + SEPARATOR + recipient.encode() + SEPARATOR + text)

    def forget(self) -> None:
        """Takes what was said to it meanwhile, such as who came."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(65536):
                pass
        self.socket.settimeout(PATIENCE)

    def leave(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def online(port: int, logins: list[str]) -> typing.Iterator[list[Client]]:
    clients: list[Client] = []
    try:
        for login in logins:
            clients.append(Client(port).log_in(login))
        # Some are told that others came.
        time.sleep(0.3)
        for client in clients:
            client.forget()
        yield clients
    finally:
        for client in clients:
            client.leave()


def paced(port: int, logins: list[str], each_second: float, warmup: float, seconds: float) -> list[float]:
    """Microseconds of each delivery, smallest first."""
    with online(port, logins) as clients:
        return paced_among(clients, logins, each_second, warmup, seconds)


def paced_among(clients: list[Client], logins: list[str], each_second: float, warmup: float, seconds: float) -> list[float]:
    """The same for users who are online. They are pairs, who write in turns. A message carries its time, and is there when
    the read that brought it has returned."""
    took: list[float] = []
    with select.epoll() as epoll:
        for number, client in enumerate(clients):
            epoll.register(client.socket, select.EPOLLIN)
        by_fd = {client.socket.fileno(): client for client in clients}
        gc.disable()
        try:
            began, sent, received = time.monotonic(), 0, 0
            last = int((warmup + seconds) * each_second)
            until = began + warmup + seconds + PATIENCE
            while received < last:
                now = time.monotonic()
                if now > until:
                    raise Failure(f"{last - received} of {last} messages did not come")
                wait = began + sent / each_second - now if sent < last else 1
                if wait <= 0:
                    number = sent % len(clients)
                    text = b"%016x" % time.monotonic_ns()
                    clients[number].send(logins[number ^ 1], text.ljust(PAYLOAD, b"x"))
                    sent += 1
                    continue
                for fd, _ in epoll.poll(wait):
                    packet = by_fd[fd].socket.recv(65536)
                    came = time.monotonic_ns()
                    if not packet:
                        raise Failure("the server has closed a connection")
                    for message in packet.split(b"\x02")[1:]:
                        text = message.partition(SEPARATOR)[2]
                        if len(text) != PAYLOAD:
                            raise Failure("a message arrived damaged")
                        received += 1
                        if received > warmup * each_second:
                            took.append((came - int(text[:16], 16)) / 1000)
        finally:
            gc.enable()
    return sorted(took)


def quantile(ordered: list[float], part: float) -> float:
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


class LoggingIn:
    """Clients that log in and leave, over and over, until they are told to end."""

    def __init__(self, port: int, logins: list[str], clients: int) -> None:
        self.port, self.done, self.failures = port, [0] * clients, []
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self._go, args=(number, logins[number::clients]), daemon=True)
                        for number in range(clients)]

    def _go(self, number: int, logins: list[str]) -> None:
        try:
            with on_the_generators_cpu():
                while not self.end.is_set():
                    client = Client(self.port).log_in(logins[self.done[number] % len(logins)])
                    client.leave()
                    self.done[number] += 1
        except (OSError, Failure) as error:
            self.failures.append(error)

    def __enter__(self) -> "LoggingIn":
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        self.seconds = time.monotonic() - self.began

    def each_second(self) -> float:
        if self.failures:
            raise Failure(f"a log-in failed: {self.failures[0]}")
        return sum(self.done) / self.seconds
