"""What is measured: the workloads, their sizes, and the generator's arguments for them."""
import dataclasses

# In the order in which a server goes through them.
WORKLOADS = ("pairs", "one", "idle", "fanout", "logins")

# Of every account, where there are any. As long as messengerd wants it.
PASSWORD = "secret-word"

# Accounts whose passwords are hashed with messengerd's own defaults, for `logins`.
HASHED = 64


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many and how long; durations in seconds."""

    pairs: float = 10
    one: float = 5
    logins: float = 10
    # From the last log-in to the look at the memory.
    settle: float = 10
    connections: int = 5000
    watchers: int = 1000
    rounds: int = 10


FULL = Sizes()
# To see whether all works. Its figures are good for nothing else.
QUICK = Sizes(pairs=2, one=2, logins=2, settle=2, connections=1000, watchers=200, rounds=3)


def arguments(workload: str, sizes: Sizes, warmup: float) -> list[str]:
    """The generator's name for the workload, and its options. `warmup`: seconds before `pairs` is measured."""
    options = {
        "pairs": ("pairs", {"users": 200, "warmup": warmup, "secs": sizes.pairs}),
        "one": ("pairs", {"users": 2, "window": 1, "warmup": 1, "secs": sizes.one}),
        "idle": ("idle", {"users": sizes.connections, "settle": sizes.settle}),
        "fanout": ("fanout", {"watchers": sizes.watchers, "rounds": sizes.rounds}),
        "logins": ("logins", {"secs": sizes.logins}),
    }
    name, values = options[workload]
    return [name, *(word for option, value in values.items() for word in (f"--{option}", f"{value:g}"))]


def longest(workload: str, sizes: Sizes, warmup: float) -> float:
    """Seconds after which a run has failed. Log-ins of thousands take the slowest of the peers about a minute."""
    seconds = {"pairs": sizes.pairs + warmup, "one": sizes.one, "idle": sizes.settle, "fanout": sizes.rounds * 3,
               "logins": sizes.logins}
    return seconds[workload] + 120
