"""What is sent from one client to another, and what came of it."""
import collections
from collections.abc import Iterator


class Stream:
    """The numbered messages from one client to another, and what came of them.

    >>> stream = Stream()
    >>> [stream.write() for _ in range(8)]
    [0, 1, 2, 3, 4, 5, 6, 7]
    >>> for number in [0, 1, 1, 4, 3, 3, 3, 5]:
    ...     stream.came(number)
    >>> stream.received, stream.out_of_order, stream.doubled, stream.trebled, stream.missing
    (8, 1, 1, 1, {2})

    The last two may be under way; when all is settled, they are not.

    >>> stream.lost(settled=False), stream.lost(settled=True)
    (1, 3)
    >>> stream.may_be_lost(2, 7)
    >>> stream.lost(settled=True), stream.unsure(settled=True)
    (1, 2)
    """

    def __init__(self) -> None:
        self.sent = 0
        self.next = 0
        self.missing: set[int] = set()
        self.out_of_order = self.received = 0
        self.repeats: collections.Counter[int] = collections.Counter()
        # From one number up to another that is not in it.
        self.doubtful: list[tuple[int, int]] = []

    def write(self) -> int:
        self.sent += 1
        return self.sent - 1

    def came(self, number: int) -> None:
        self.received += 1
        if number >= self.next:
            self.missing.update(range(self.next, number))
            self.next = number + 1
        elif number in self.missing:
            self.missing.remove(number)
            self.out_of_order += 1
        else:
            self.repeats[number] += 1

    def may_be_lost(self, start: int, end: int) -> None:
        if start < end:
            self.doubtful.append((start, end))

    def _absent(self, settled: bool) -> Iterator[bool]:
        """For each message that did not come whether that is in doubt; those still under way count when all is settled."""
        for number in [*self.missing, *(range(self.next, self.sent) if settled else [])]:
            yield any(start <= number < end for start, end in self.doubtful)

    def lost(self, settled: bool) -> int:
        return sum(not doubt for doubt in self._absent(settled))

    def unsure(self, settled: bool) -> int:
        return sum(self._absent(settled))

    @property
    def doubled(self) -> int:
        return sum(times == 1 for times in self.repeats.values())

    @property
    def trebled(self) -> int:
        return sum(times > 1 for times in self.repeats.values())
