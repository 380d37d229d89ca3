"""The classic protocol, as far as the swarm speaks it."""

SIGN_UP, LOG_IN, GET_CONTACTS, ADD_CONTACT, MESSAGE = 0, 1, 3, 4, 6
PUSHED_MESSAGE, PUSHED_STATUS = 2, 5
TRY_LATER = b"\x01\x03"


class Torn(Exception):
    """These bytes end within a packet."""


class Nonsense(Exception):
    """These bytes are no packet of the protocol."""


def first_packet(read: bytes) -> int:
    r"""How long the first packet is. The protocol has no framing; here a text ends with its only line feed, and a list of
    contacts has one entry.

    >>> first_packet(b"\x02swarm-1\r17\n\x05swarm-1\r\x00"), first_packet(b"\x05swarm-1\r\x00\x03\x01")
    (12, 10)
    >>> first_packet(b"\x01\x00\rKEY!\x02..."), first_packet(b"\x03\x00\rswarm-1\r\x01\x02..."), first_packet(b"\x04\x00\r\x01")
    (7, 12, 4)
    >>> first_packet(b"\x02swarm-1\r17")
    Traceback (most recent call last):
    packets.Torn
    """
    def end(mark: bytes, start: int = 1) -> int:
        at = read.find(mark, start)
        if at < 0:
            raise Torn
        return at + 1

    refused = len(read) > 1 and read[1] != 0
    match read[0]:
        case 0:
            size = 2
        case 1:
            size = 2 if refused else 7
        case 2:
            size = end(b"\n")
        case 3:
            size = 2 if refused else end(b"\r", 3) + 1
        case 4:
            size = 2 if refused else 4
        case 5:
            size = end(b"\r") + 1
        case _:
            raise Nonsense(f"no packet begins with {read[:40]!r}")
    if len(read) < size:
        raise Torn
    return size
