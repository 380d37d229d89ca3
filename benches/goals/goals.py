"""The goals, and how docs/performance.md says whether they are met."""
import dataclasses
import statistics
import typing

from parts import REST
from sizes import ASKING, AT_ONCE, CONTACTS, FEW, FULL, PAIRED, QUICK, Sizes
from stores import Store
from table import list_of, meanwhile, number, place, with_unit

BEGIN, END = "<!-- goals: begin -->", "<!-- goals: end -->"

# The limits.
IDLE_BYTES = 1100
# A delivery: so many times the disk's fdatasync, and microseconds.
SYNCS, BESIDE_US = 2, 100
P99_BY_P50 = 10
REST_MIB = 6
READY_MS, READY_LARGE_MS = 30, 300
COST_LARGE_BY_SMALL = 1.5
COST_MANY_BY_FEW = 1.3
LOGIN_BY_ARGON2 = 1.05

# By the number of the run.
Values = dict[int, float]


class Results:
    """The lines of the last run in a file of results."""

    def __init__(self, lines: list[dict]) -> None:
        begins = [number for number, line in enumerate(lines) if line["what"] == "begin"]
        if not begins:
            raise SystemExit("there are no results in it")
        self.begin, *lines = lines[begins[-1]:]
        self.quick: bool = self.begin["quick"]
        self.sizes: Sizes = QUICK if self.quick else FULL
        self.parts: list[str] = self.begin["parts"]
        self.lines = [line for line in lines if line["what"] == "figures"]
        self.failures = [line for line in lines if line["what"] == "failure"]

    def values(self, piece: str, key: str) -> Values:
        """One value of each run: of several measured in one, the median."""
        found: dict[int, list[float]] = {}
        for line in self.lines:
            if line["piece"] == piece and key in line:
                found.setdefault(line["run"], []).append(line[key])
        return {run: statistics.median(values) for run, values in found.items()}

    def why(self, piece: str) -> str:
        whys = [line["why"] for line in self.failures if line["piece"] == piece]
        return f"{len(whys)} of {self.begin['runs']} runs had no result: {whys[0]}." if whys else ""


def _by(above: Values, below: Values) -> Values:
    """Quotients of what was measured in the same run."""
    return {run: above[run] / below[run] for run in above.keys() & below.keys() if below[run]}


def _scaled(values: Values, factor: float) -> Values:
    return {run: value * factor for run, value in values.items()}


@dataclasses.dataclass
class Row:
    title: str
    values: Values
    unit: str = ""
    limit: float | None = None
    # How the limit is said, if not by its number.
    limit_text: str = ""
    # The pieces whose failures are told here.
    pieces: tuple[str, ...] = ()
    note: str = ""


@dataclasses.dataclass
class Table:
    title: str
    rows: list[Row]


def _quotient(value: float) -> str:
    return f"{value:.2f}"


def _idle(results: Results) -> Table:
    limit = results.begin["files"]
    rows = [Row(f"Pss for each of {count:,} connections", results.values(f"idle-{count}", "bytes_per_connection"), "bytes",
                IDLE_BYTES, pieces=(f"idle-{count}",)) for count in results.sizes.idle]
    few, most = results.sizes.idle
    at_few, at_most = (_scaled(results.values(f"idle-{count}", "bytes_per_connection"), count) for count in (few, most))
    further = {run: (at_most[run] - at_few[run]) / (most - few) for run in at_few.keys() & at_most.keys()}
    rows.append(Row(f"Pss for each further one, from {few:,} to {most:,}", further, "bytes"))
    tried = "" if limit < 0 or limit > 51_000 else f"Not tried: this machine lets a process open {limit:,} files."
    rows.append(Row("Pss for each of 50,000 connections", {}, "bytes", IDLE_BYTES, note=tried or "Not tried."))
    return Table("Idle connections", rows)


def _latency(results: Results) -> Table:
    disk, disk_paced = results.values("disk", "us"), results.values("disk-paced", "us")

    def limit(took: dict[int, float]) -> tuple[float | None, str]:
        if not took:
            return None, ""
        most = SYNCS * statistics.median(took.values()) + BESIDE_US
        return most, f"{SYNCS} × `fdatasync` + {BESIDE_US} µs = {number(most)} µs"

    sizes = results.sizes
    pace = f"{sizes.each_second} messages/s of {sizes.paced_users} users"
    python = "The client is written in Python, and its own time is in both: compare it with the relay's."
    p50, p99 = results.values("saturated", "p50_us"), results.values("saturated", "p99_us")
    per_sync = results.values("saturated", "deliveries_per_sync")
    counted = ("All calls are counted, those of filing and of cursors too." if per_sync else
               "Not counted: perf(1) is not there, or may not trace system calls.")
    return Table("Delivery of a message that is on the disk", [
        Row("`fdatasync` of 4 KiB on this disk, one after the other", disk, "µs", pieces=("disk",)),
        Row(f"`fdatasync` of 4 KiB on this disk, {sizes.each_second} each second", disk_paced, "µs", pieces=("disk-paced",)),
        Row("one message on an idle server, p50", results.values("alone", "p50_us"), "µs", *limit(disk), ("alone",)),
        Row("one message on an idle server, p99", results.values("alone", "p99_us"), "µs"),
        Row(f"{pace}, p50", results.values("paced", "p50_us"), "µs", *limit(disk_paced), ("paced",),
            python),
        Row(f"{pace}, p99", results.values("paced", "p99_us"), "µs"),
        Row("the same by the bare relay, p50", results.values("paced-relay", "p50_us"), "µs", pieces=("paced-relay",)),
        Row("the same by the bare relay, p99", results.values("paced-relay", "p99_us"), "µs"),
        Row(f"saturated by {PAIRED} users, p50", p50, "µs", pieces=("saturated",)),
        Row(f"saturated by {PAIRED} users, p99", p99, "µs"),
        Row(f"saturated by {PAIRED} users, p99 / p50", _by(p99, p50), "", P99_BY_P50),
        Row("deliveries for each `fdatasync` at saturation", per_sync, "", note=counted),
    ])


def _store(store: Store) -> str:
    return f"{store.accounts:,} accounts and {store.messages:,} messages"


def _rest(results: Results) -> Table:
    large = _store(results.sizes.large)
    kib = 1 / 1024
    cached = "The store is in the kernel's cache."
    rows = [
        Row(f"Pss {REST} s after the start, empty store", _scaled(results.values("rest", "pss"), kib), "KiB", REST_MIB * 1024,
            pieces=("rest",)),
        Row(f"Pss {REST} s after the start, {large}", _scaled(results.values("rest-large", "pss"), kib), "KiB",
            pieces=("rest-large",)),
        Row("start to READY, empty store", results.values("rest", "ready_ms"), "ms", READY_MS, pieces=("rest",)),
        Row("the very first start, which makes the database", results.values("rest", "first_ready_ms"), "ms"),
        Row(f"start to READY, {large}", results.values("rest-large", "ready_ms"), "ms", READY_LARGE_MS,
            pieces=("rest-large",), note=cached),
    ]
    return Table("At rest, and how long a start takes", rows)


def _requests(results: Results) -> Table:
    rows = []
    kinds = (("a message", "messages", "message"), ("get contacts", "requests", "contacts"),
             ("add contact", "requests", "add"), ("log-in (light argon2)", "requests", "login"),
             ("sign-up (light argon2)", "requests", "signup"))
    for title, piece, key in kinds:
        small, large = (results.values(f"{piece}-{name}", key) for name in ("small", "large"))
        of = ""
        if small and large:
            medians = [number(statistics.median(values.values())) for values in (large, small)]
            of = f": {' / '.join(medians)} µs"
        rows.append(Row(title + of, _by(large, small), "", COST_LARGE_BY_SMALL,
                        pieces=(f"{piece}-small", f"{piece}-large")))
    return Table("A request's CPU on a large store / on a small one", rows)


def _growth(results: Results) -> Table:
    cost = {users: results.values(f"growth-{users}", "server_us_per_delivery") for users in results.sizes.growth}
    few, *_, most = results.sizes.growth
    rows = [Row(f"CPU per delivery, {users:,} users online", values, "µs", pieces=(f"growth-{users}",))
            for users, values in cost.items()]
    rows.append(Row(f"{most:,} users / {few:,} users", _by(cost[most], cost[few]), "", COST_MANY_BY_FEW))
    relay = {users: results.values(f"growth-relay-{users}", "server_us_per_delivery") for users in (few, most)}
    rows += [Row(f"the same by the bare relay, {users:,} users online", values, "µs", pieces=(f"growth-relay-{users}",))
             for users, values in relay.items()]
    rows.append(Row(f"the bare relay: {most:,} users / {few:,} users", _by(relay[most], relay[few]), ""))
    return Table("More users online", rows)


def _logins(results: Results) -> Table:
    cost, argon2 = (results.values("logins", key) for key in ("server_ms_per_login", "argon2_ms"))
    rows = [Row("CPU per log-in", cost, "ms", pieces=("logins",)), Row("CPU per hash, argon2 alone", argon2, "ms"),
            Row("a log-in / argon2 alone", _by(cost, argon2), "", LOGIN_BY_ARGON2)]
    for piece, when in (("few", "nobody logs in"), ("few-beside-logins", f"{AT_ONCE} clients log in all the time")):
        rows += [Row(f"a message among {FEW} users while {when}, {quantile}", results.values(piece, f"{quantile}_us"), "µs",
                     pieces=(piece,) if quantile == "p50" else ()) for quantile in ("p50", "p99")]
    rows.append(Row("log-ins meanwhile", results.values("few-beside-logins", "logins_per_s"), "/s"))
    return Table("Log-ins", rows)


TABLES = {"idle": [_idle], "latency": [_latency], "rest": [_rest, _requests], "growth": [_growth], "logins": [_logins]}


def tables(results: Results) -> list[Table]:
    return [table(results) for part in results.parts for table in TABLES[part]]


def _said(row: Row) -> tuple[str, str, str]:
    """Limit, figure, and whether it is met."""
    say: typing.Callable[[float], str] = number if row.unit else _quotient
    limit = row.limit_text or (with_unit(f"{row.limit:,g}", row.unit) if row.limit is not None else "")
    if not row.values:
        return limit, "—", "—" if row.limit is not None else ""
    values = sorted(row.values.values())
    median = statistics.median(values)
    spread = f" ({say(values[0])}–{say(values[-1])})" if len(values) > 1 else ""
    met = "" if row.limit is None else "yes" if median <= row.limit else "**no**"
    return limit, with_unit(say(median), row.unit) + spread, met


CARE = """\
- **Where users stand.** The stores are filled by SQLite and not by the daemon; names and numbers of accounts go in different
  orders, so that the generator's first {paired} users are spread over all mailboxes. Whoever asks for contacts, adds some or
  logs in is drawn from the whole store.
- **Requests** are of {asking} users who are online, {at_once} at a time; log-ins and sign-ups {at_once} at a time. The small
  store has {small} accounts and no message. On both each account has {contacts} contacts, and elsewhere none.
- **Argon2.** Where log-ins are not what is measured, accounts have the lightest hash. Argon2 alone is
  [argon2.rs](../benches/argon2.rs), in memory that is allocated once, before and after the log-ins on the same CPU.
- **Start** is from just before the process is made until its datagram with `READY=1` was read.
- **The disk** was measured while nothing else wrote, right before what is compared to it; each limit is of the medians.
"""


def markdown(results: Results) -> str:
    """All that stands between the two marks."""
    notes: list[str] = []

    def mark(text: str) -> str:
        if text not in notes:
            notes.append(text)
        return f" <sup>{notes.index(text) + 1}</sup>"

    runs, quick, sizes = results.begin["runs"], results.quick, results.sizes
    disk = results.values("disk", "us") or {0: results.begin["fsync_us"]}
    facts = list_of([
        *place(results.begin["machine"], statistics.median(disk.values())),
        ("runs", f"`benches/goals/run {'--quick' if quick else f'--runs {runs}'}`: "
                 + (f"median of {runs} (smallest–largest), in turns over all that is measured" if runs > 1 else "one of each")),
        ("meanwhile", meanwhile(results.lines)),
        ("version", results.begin["version"]),
    ])
    text = "**These are short runs, which show that all works. Their figures are good for nothing else.**\n\n" if quick else ""
    text += facts
    for table in tables(results):
        text += f"\n### {table.title}\n\n| | limit | figure | met |\n|---|---:|---:|---|\n"
        for row in table.rows:
            limit, figure, met = _said(row)
            whys = [why for why in map(results.why, row.pieces) if why]
            if row.note and (row.values or not row.pieces):
                whys.append(row.note)
            marks = "".join(map(mark, dict.fromkeys(whys)))
            text += f"| {row.title} | {limit} | {figure}{marks} | {met} |\n"
    if notes:
        text += "\n" + "".join(f"{position}. {note}\n" for position, note in enumerate(notes, 1))
    care = CARE.format(paired=PAIRED, contacts=CONTACTS, asking=ASKING, at_once=AT_ONCE, small=f"{sizes.small.accounts:,}")
    return f"{text}\n### What these figures are\n\n{care}"
