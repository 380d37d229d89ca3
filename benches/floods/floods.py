"""The floods. Each is a generator that runs in a process of its own: it gives `{"begun": True}` when it is in full swing, goes
on until it is told to stop, and gives what came of it."""
import collections
import contextlib
import dataclasses
import select
import socket
import struct
import time
import typing

from processes import Failure
from workloads import PASSWORD

PATIENCE = 30
# All of the flood's users have it.
LIGHT = {"auth.argon2_memory": "8KiB", "auth.argon2_iterations": "1"}
# For floods by users: they have to get in, all from one machine.
LET_IN = {"accounts.source_sign_ups_refill": "0s", "accounts.sign_ups_refill": "0s", "auth.source_log_ins_refill": "0s"}

Figures = typing.Iterator[dict]


def connect(port: int, source: str = "127.0.0.1", small: bool = False) -> socket.socket:
    made = socket.socket()
    with contextlib.suppress(OSError):
        made.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    if small:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.settimeout(PATIENCE)
    made.bind((source, 0))
    made.connect(("127.0.0.1", port))
    return made


def ask(stream: socket.socket, request: bytes) -> bytes:
    stream.sendall(request)
    return stream.recv(4096)


def sign_up_request(login: str) -> bytes:
    return f"\0{login}@example.org\r{login}\r{PASSWORD}".encode()


def log_in_request(login: str) -> bytes:
    return f"\1{login}\r{PASSWORD}".encode()


def sign_up(port: int, logins: list[str]) -> None:
    with connect(port) as stream:
        for login in logins:
            if (answer := ask(stream, sign_up_request(login))) != b"\0\0":
                raise Failure(f"{login} is not signed up: {answer!r}")


def log_in(port: int, login: str, source: str = "127.0.0.1", small: bool = False) -> tuple[socket.socket, bytes]:
    stream = connect(port, source, small)
    answer = ask(stream, log_in_request(login))
    while answer.startswith(b"\1\0") and len(answer) < 7:
        answer += stream.recv(4096)
    if not answer.startswith(b"\1\0\r"):
        raise Failure(f"{login} is not let in: {answer!r}")
    return stream, answer[3:7]


def message(key: bytes, recipient: str, text: bytes) -> bytes:
    return b"\6" + key + b"\r" + recipient.encode() + b"\r" + text


def source(number: int) -> str:
    return f"127.{1 + number // 60_000}.{number // 250 % 240}.{1 + number % 250}"


def still_open(streams: list[socket.socket]) -> int:
    poll, count = select.poll(), len(streams)
    for stream in streams:
        poll.register(stream, select.POLLIN)
    by_fd = {stream.fileno(): stream for stream in streams}
    for fd, _ in poll.poll(0):
        try:
            count -= by_fd[fd].recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except OSError:
            count -= 1
    return count


@dataclasses.dataclass
class Flood:
    name: str
    run: typing.Callable[[int, typing.Any], Figures]
    settings: dict[str, str] = dataclasses.field(default_factory=dict)


def one_address(port: int, stop) -> Figures:
    streams = [connect(port, source(0)) for _ in range(10_000)]
    yield {"begun": True}
    stop.wait()
    yield {"came": f"10,000 connections, {still_open(streams):,} are left open"}


def many_addresses(port: int, stop) -> Figures:
    streams = [connect(port, source(number % 100)) for number in range(9_900)]
    more = collections.deque(maxlen=3000)
    yield {"begun": True}
    came = time.monotonic()
    while not stop.is_set():
        more.append(connect(port, source(100 + len(more) % 50)))
        time.sleep(0.002)
    gone = len(streams) - still_open(streams)
    yield {"came": f"9,900 silent connections from 100 addresses, then more from 50 others for "
                   f"{time.monotonic() - came:.0f} s; {gone:,} had to make room"}


def at_a_pace(port: int, stop, each_second: int, request: typing.Callable[[int], bytes]) -> collections.Counter:
    """Requests on connections of their own, from 250 addresses in turn; the answers' first two bytes, counted."""
    answers: collections.Counter = collections.Counter()
    waiting: dict[int, socket.socket] = {}
    began, number = time.monotonic(), 0
    with select.epoll() as epoll:
        while not stop.is_set() or waiting:
            wait = began + number / each_second - time.monotonic() if not stop.is_set() else 1
            if wait <= 0:
                stream = connect(port, source(number % 250))
                stream.sendall(request(number))
                epoll.register(stream.fileno(), select.EPOLLIN)
                waiting[stream.fileno()] = stream
                number += 1
                continue
            for fd, _ in epoll.poll(min(wait, 1)):
                stream = waiting.pop(fd)
                with contextlib.suppress(ConnectionResetError):
                    answers[stream.recv(4096)[:2]] += 1
                epoll.unregister(fd)
                stream.close()
    answers["all"] = number
    return answers


def log_ins(port: int, stop) -> Figures:
    sign_up(port, [f"stormer{number:02}" for number in range(50)])
    yield {"begun": True}
    answers = at_a_pace(port, stop, 200, lambda number: log_in_request(f"stormer{number % 50:02}"))
    yield {"came": f"{answers['all']:,} log-ins, 200 a second, right passwords, from 250 addresses: {answers[bytes((1, 0))]:,} are "
                   f"let in, {answers[bytes((1, 3))]:,} told to try later"}


def sign_ups(port: int, stop) -> Figures:
    yield {"begun": True}
    answers = at_a_pace(port, stop, 200, lambda number: sign_up_request(f"newcomer{number}"))
    yield {"came": f"{answers['all']:,} sign-ups, 200 a second, from 250 addresses: {answers[bytes((0, 0))]:,} accounts are made, "
                   f"{answers[bytes((0, 5))]:,} refused"}


def messages(port: int, stop) -> Figures:
    """Fifty write as fast as they can to one who reads."""
    writers = [f"writer{number:02}" for number in range(50)]
    sign_up(port, ["reader", *writers])
    reader, _ = log_in(port, "reader", source(1))
    people = [log_in(port, login, source(0)) for login in writers]
    requests = {stream.fileno(): (stream, message(key, "reader", b"x" * 64)) for stream, key in people}
    sent = 0
    for stream, _ in people:
        stream.setblocking(False)
    reader.setblocking(False)
    yield {"begun": True}
    began = time.monotonic()
    with select.epoll() as epoll:
        for fd in requests:
            epoll.register(fd, select.EPOLLOUT)
        epoll.register(reader, select.EPOLLIN)
        while not stop.is_set():
            for fd, _ in epoll.poll(1):
                with contextlib.suppress(BlockingIOError):
                    if fd == reader.fileno():
                        reader.recv(65536)
                    else:
                        stream, request = requests[fd]
                        sent += stream.send(request) == len(request)
    seconds = time.monotonic() - began
    yield {"came": f"50 writers with one address write as fast as they can, {sent:,} messages in {seconds:.0f} s; "
                   "COMMITTED messages are committed by the end, all else waits in the kernel"}


def slow_readers(port: int, stop) -> Figures:
    """A thousand who never read, with windows of 4 KiB; a thousand who write to them."""
    deaf, writers = ([f"{kind}{number:04}" for number in range(1000)] for kind in ("deaf", "writer"))
    sign_up(port, [*deaf, *writers])
    silent = [log_in(port, login, source(number % 10), small=True) for number, login in enumerate(deaf)]
    people = [log_in(port, login, source(10 + number % 10)) for number, login in enumerate(writers)]
    text, sent = b"x" * 1000, [0] * len(people)
    yield {"begun": True}
    while not stop.is_set():
        # One round of all takes a second: a thousand messages of 1,000 bytes.
        for number, (stream, key) in enumerate(people):
            stream.sendall(message(key, deaf[number], b"%06d" % sent[number] + text))
            sent[number] += 1
            if number % 10 == 9:
                time.sleep(0.01)
    # All together: who takes nothing for a minute is disconnected.
    missing = dict(zip((stream.fileno() for stream, _ in silent), sent))
    by_fd = {stream.fileno(): stream for stream, _ in silent}
    with select.epoll() as epoll:
        for fd in by_fd:
            epoll.register(fd, select.EPOLLIN)
        while any(missing.values()):
            events = epoll.poll(PATIENCE)
            if not events:
                break
            for fd, _ in events:
                # A text has none of these bytes.
                missing[fd] -= by_fd[fd].recv(65536).count(b"\2")
    lost = sum(missing.values())
    yield {"came": f"1,000 who don't read, to whom 1,000 others write {sum(sent):,} messages of 1,000 bytes. When they read at last, "
                   f"{lost:,} are missing"}


def watched(port: int, stop) -> Figures:
    """One is on the lists of 9,000 who are online, and comes and goes."""
    watchers = [f"watcher{number:04}" for number in range(9000)]
    sign_up(port, ["star", *watchers])
    streams = []
    for number, login in enumerate(watchers):
        stream, key = log_in(port, login, source(number % 100))
        if ask(stream, b"\4" + key + b"\rstar")[:2] != b"\4\0":
            raise Failure("the star is not added")
        streams.append(stream)
    yield {"begun": True}
    took = []
    while not stop.is_set():
        star, _ = log_in(port, "star")
        began = time.monotonic()
        for stream in streams:
            stream.recv(4096)
        took.append(time.monotonic() - began)
        star.close()
        for stream in streams:
            stream.recv(4096)
    yield {"came": f"one whom 9,000 watch came and went {len(took)} times; all had read of it after {min(took) * 1000:.0f} to "
                   f"{max(took) * 1000:.0f} ms"}


def contacts(port: int, stop) -> Figures:
    """One has 10,000 contacts, and asks for them all the time."""
    others = [f"contact{number:05}" for number in range(10_000)]
    sign_up(port, ["collector", *others])
    stream, key = log_in(port, "collector", source(0))
    for login in others:
        if ask(stream, b"\4" + key + b"\r" + login.encode())[:2] != b"\4\0":
            raise Failure(f"{login} is not added")
    yield {"begun": True}
    took, size = [], sum(len(login) + 2 for login in others)
    while not stop.is_set():
        began, got = time.monotonic(), 0
        stream.sendall(b"\3" + key)
        while got < size:
            got += len(stream.recv(1 << 20))
        took.append(time.monotonic() - began)
    yield {"came": f"10,000 contacts of one account, asked for {len(took)} times; {sorted(took)[len(took) // 2] * 1000:.1f} ms each "
                   "(median)"}


def mailbox(port: int, stop) -> Figures:
    """One comes back to a million messages."""
    gossips = [f"gossip{number:03}" for number in range(250)]
    sign_up(port, ["hermit", *gossips])
    each, batch = 1_000_000 // len(gossips), 50
    people = [log_in(port, login, source(number)) for number, login in enumerate(gossips)]
    # All together, so that they share commits: one alone waits for the disk with each message.
    for first in range(0, each, batch):
        for stream, key in people:
            stream.sendall(b"".join(message(key, "hermit", b"%07d" % number) for number in range(first, first + batch)))
    for stream, key in people:
        # The answer says that all before it is committed.
        stream.settimeout(600)
        ask(stream, b"\3" + key)
    began = time.monotonic()
    hermit, _ = log_in(port, "hermit", source(1))
    first = hermit.recv(4096)
    took = time.monotonic() - began
    yield {"begun": True}
    got, began = first.count(b"\2"), time.monotonic()
    while not stop.is_set():
        got += hermit.recv(65536).count(b"\2")
    yield {"came": f"a mailbox with 1,000,000 messages that nobody has read: the first came {took * 1000:.0f} ms after the log-in was "
                   f"sent, then {got / (time.monotonic() - began):,.0f} a second"}


FREE = {"connections.requests_refill": "0s", "connections.source_requests_refill": "0s"}
ALL = [
    Flood("one address", one_address),
    Flood("many addresses", many_addresses),
    Flood("log-ins", log_ins, {"accounts.source_sign_ups": "100"}),
    Flood("sign-ups", sign_ups),
    Flood("messages", messages, LIGHT | LET_IN),
    Flood("slow readers", slow_readers, LIGHT | LET_IN),
    Flood("watched", watched, LIGHT | LET_IN),
    Flood("contacts", contacts, LIGHT | LET_IN | FREE | {"accounts.contacts_max": "10000"}),
    Flood("mailbox", mailbox, LIGHT | LET_IN | FREE),
]
