"""How many and how long; durations in seconds."""
import dataclasses

from stores import Store

# Of each account, where requests are compared. Else there are none: nobody is to be told who came.
CONTACTS = 10


@dataclasses.dataclass(frozen=True)
class Sizes:
    idle: tuple[int, ...] = (5000, 19000)
    # From the last log-in to the look at the memory.
    settle: float = 10
    # One pair, and messages at a pace.
    alone: float = 5
    paced: float = 10
    each_second: int = 200
    paced_users: int = 20
    pairs: float = 10
    warmup: float = 2
    growth: tuple[int, ...] = (200, 2000, 18000)
    growing: float = 8
    logins: float = 10
    hashes: int = 100
    # Requests of one kind.
    requests: int = 4000
    # For all that does not look at the size of the store.
    many: Store = Store(19000)
    small: Store = Store(2000, contacts=CONTACTS)
    large: Store = Store(100_000, 10_000_000, CONTACTS)
    hashed: Store = Store(64, hashed=True)


FULL = Sizes()
# To see whether all works. Its figures are good for nothing else.
QUICK = Sizes(idle=(500, 2000), settle=2, alone=2, paced=2, pairs=3, warmup=1, growth=(200, 500, 2000), growing=2, logins=2,
              hashes=20, requests=1000, many=Store(2000), large=Store(10_000, 200_000, CONTACTS))

# Users of `pairs` on the small and on the large store, at saturation, and beside log-ins.
PAIRED = 200
FEW = 20
# Who asks for contacts and adds some: so many are online, and so many ask at the same time.
ASKING = 500
AT_ONCE = 4
