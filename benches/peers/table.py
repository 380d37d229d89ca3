"""What the results say, and how docs/performance.md says it."""
import pathlib
import statistics
import typing

import peers
from workloads import FULL, HASHED, QUICK, WORKLOADS, Sizes, arguments

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"
# In per cent of its CPU: a generator that is busier may be what limits a rate.
BUSY = 90


class Column(typing.NamedTuple):
    title: str
    workload: str
    key: str
    unit: str = ""
    is_rate: bool = False


COLUMNS = (
    Column("server CPU per delivery", "pairs", "server_us_per_delivery", "µs"),
    Column("deliveries/s on one core", "pairs", "deliveries_per_s", is_rate=True),
    Column("one message on an idle server, p50", "one", "p50_us", "µs"),
    Column("bytes per idle connection", "idle", "bytes_per_connection"),
    Column("CPU per notice", "fanout", "server_us_per_notice", "µs"),
    Column("{watchers} watchers told in", "fanout", "median_ms", "ms"),
    Column("log-ins/s", "logins", "logins_per_s", is_rate=True),
    Column("CPU per log-in", "logins", "server_ms_per_login", "ms"),
)

COMMANDS = """\
The servers are started as [peers.py](../benches/peers/peers.py) says. These are the generator's commands, with the server's
address, process and protocol. InspIRCd has `--connectors 500` besides. With archives `pairs` has a longer warm-up, so that
each queued message has gone round: 5 s (files, Mnesia), 15 s (ejabberd, SQLite) and 30 s (Prosody, SQLite).
"""

# What no figure says by itself. `{...}` are sizes.
CARE = """\
- **What is on disk.** messengerd shows a message when its commit is on the disk (`fdatasync`). With
  `store.synchronous=normal` it shows it when it is committed, and a power cut may take it back. Of the others only the
  archives in SQLite wait for the disk; those in files and in Mnesia are written and not synced, and the other rows store no
  message at all.
- **In flight.** messengerd has one message in flight per pair, because the generator's driver for the classic protocol has
  no more (the relay too); the others have 16, which helps those that handle many at once.
- **Contacts.** An XMPP server also sends the one who comes the presence of each contact, and an IRC server the list of the
  channel's members. IRC and MQTT as used here know no contacts.
- **Log-ins.** Password hashes differ: argon2id with messengerd's defaults, SCRAM with the defaults of Prosody and ejabberd,
  PBKDF2 with the 101 rounds of Mosquitto's tool; the IRC servers have no password. messengerd has {hashed} accounts with such
  hashes. For all else its accounts have the lightest argon2, so that {connections} log-ins take seconds. That shows in the
  fan-out, where classic's announcement is the log-in itself: with the default hash the watchers would be told one log-in's
  CPU later. At most 4 clients log in to messengerd at a time, 16 to the others, and 1,000 to InspIRCd, which completes
  log-ins once a second.
- **Memory** is that of the processes (PSS), {settle} s after the last log-in. Socket buffers are the kernel's and not in it.
- **CPU** is that of the server's processes in user and kernel mode. Kernel threads that write to the disk are not in it.
- **Defaults.** messengerd runs with its defaults but for the address, the log's level, more connections, and no limits to what
  one address may ask for: the generator has only one. The others have
  few modules, no TLS, and no limits or penalties that would slow the generator down:
  [their configurations](../benches/peers/config).
- **An empty cell** was not measured. Archives, the sync of a commit and QoS take no part in log-ins and idle connections, and
  the relay knows messages only.
- **The 2019 MessengerServer is not in this table.** It is not run here. Its figures stand in the issue that asked for this
  table, were measured on another day, and are no part of this run.
"""


class Results:
    """The lines of the last run in a file of results."""

    def __init__(self, lines: list[dict]) -> None:
        begins = [number for number, line in enumerate(lines) if line["what"] == "begin"]
        if not begins:
            raise SystemExit("there are no results in it")
        self.begin, *lines = lines[begins[-1]:]
        self.quick: bool = self.begin["quick"]
        self.sizes: Sizes = QUICK if self.quick else FULL
        self.rows = [row for row in peers.rows() if row.name in self.begin["rows"]]
        self.fsync_us = statistics.median([line["us"] for line in lines if line["what"] == "fsync"] or [0])
        self.lines = [line for line in lines if line["what"] == "result"]
        self.failures = [line for line in lines if line["what"] == "failure"]

    def values(self, row: str, workload: str, key: str) -> list[float]:
        """What the runs of a row have, in order of size."""
        return sorted(line[key] for line in self.lines
                      if line["row"] == row and line["workload"] == workload and key in line)

    def median(self, row: str, column: Column) -> float | None:
        values = self.values(row, column.workload, column.key)
        return statistics.median(values) if values else None

    def whys(self, row: str, workload: str) -> list[str]:
        return [line["why"] for line in self.failures if (line["row"], line["workload"]) == (row, workload)]

    def generator_was_full(self, row: str, workload: str) -> bool:
        busy = self.values(row, workload, "generator_cpu_pct")
        return bool(busy) and statistics.median(busy) > BUSY


def number(value: float) -> str:
    """Three digits that count; more would be noise."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def in_short(workload: str, result: dict) -> str:
    """A run's figures, for whoever watches."""
    return ", ".join(f"{with_unit(number(result[column.key]), column.unit)} ({column.title.format(watchers='all')})"
                     for column in COLUMNS if column.workload == workload)


class Notes:
    """Footnotes: the same words get the same number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return f"<sup>{self.texts.index(text) + 1}</sup>"

    def __str__(self) -> str:
        return "".join(f"{position}. {text}\n" for position, text in enumerate(self.texts, 1))


def _median_cell(results: Results, row: peers.Row, column: Column, notes: Notes) -> str:
    whys = results.whys(row.name, column.workload)
    value = results.median(row.name, column)
    if value is None:
        return f"— {notes.mark(f'No run had a result: {whys[0]}.')}" if whys else ""
    cell = with_unit(number(value), column.unit)
    if column.is_rate and results.generator_was_full(row.name, column.workload):
        cell = f"≥ {cell} {notes.mark(f'The generator took more than {BUSY} % of its CPU, and may be what limits it.')}"
    if whys:
        runs = results.begin["runs"]
        cell += f" {notes.mark(f'{len(whys)} of {runs} runs had no result: {whys[0]}.')}"
    return cell


def _spread_cell(results: Results, row: peers.Row, column: Column, _notes: Notes) -> str:
    values = results.values(row.name, column.workload, column.key)
    return " / ".join(number(pick(values)) for pick in (min, statistics.median, max)) if values else ""


def _table(results: Results, cell: typing.Callable, notes: Notes) -> str:
    titles = [column.title.format(watchers=f"{results.sizes.watchers:,}") for column in COLUMNS]
    lines = [["server", *titles], ["---", *["---:"] * len(titles)]]
    lines += [[row.title, *(cell(results, row, column, notes) for column in COLUMNS)] for row in results.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def place(machine: dict, fsync_us: float) -> list[tuple[str, str]]:
    """When, where and how the servers were measured."""
    core = "cores" if machine["cores"] > 1 else "core"
    return [
        ("date", machine["date"]),
        ("machine", f"{'virtual, ' if machine['virtual'] else ''}{machine['cores']} {core} ({machine['cpu']}), "
                    f"{machine['memory_gib']} GiB, {machine['kernel']}, {machine['system']}"),
        ("disk", f"{machine['file_system']}; a write of 4 KiB with `fdatasync` took {number(fsync_us)} µs (median, "
                 "measured in the same run)"),
        ("placing", "server on one CPU, generator on another; loopback TCP, no TLS" if machine["cores"] > 1
         else "server and generator share the CPU; loopback TCP, no TLS"),
    ]


def meanwhile(lines: list[dict]) -> str:
    """What else ran, by the generator's results."""
    others = [line["others_cpu_pct"] for line in lines if "others_cpu_pct" in line] or [0]
    stolen = [line["stolen_pct"] for line in lines if "stolen_pct" in line] or [0]
    return (f"all else on the machine took {number(statistics.median(others))} % of one CPU (median; at most "
            f"{number(max(others))} %), the hypervisor {number(statistics.median(stolen))} % (at most "
            f"{number(max(stolen))} %)")


def list_of(lines: list[tuple[str, str]]) -> str:
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in lines)


def _facts(results: Results) -> str:
    machine, runs = results.begin["machine"], results.begin["runs"]
    versions = ", ".join(f"{name} {version}" for name, version in results.begin["versions"].items() if version)
    lines = [
        *place(machine, results.fsync_us),
        ("runs", f"`benches/peers/run {'--quick' if results.quick else f'--runs {runs}'}`: "
                 + (f"median of {runs}, in turns over the servers" if runs > 1 else "one of each workload")
                 + "; process and data new for each run"),
        ("meanwhile", meanwhile(results.lines)),
        ("versions", versions),
    ]
    return list_of(lines)


def _against_the_relay(results: Results) -> str:
    """What messengerd's protocol and store cost, as a ratio."""
    ours = {name: [results.median(name, column) for column in (COLUMNS[0], COLUMNS[2])] for name in ("messengerd", "relay")}
    if not all(all(values) for values in ours.values()):
        return ""
    cpu, time = (ours["messengerd"][at] / ours["relay"][at] for at in (0, 1))
    return (f"\nThe bare relay copies bytes from one socket to the other, with no protocol and no store. messengerd / relay: "
            f"**{cpu:.2f}** in CPU per delivery, **{time:.2f}** in the time of one message.\n")


def _commands(sizes: Sizes) -> str:
    used = {workload: " ".join(arguments(workload, sizes, 2)) for workload in WORKLOADS}
    options = "--addr ADDRESS --server-pid PID --proto PROTOCOL"
    return "".join(f"    peerload {command} {options}\n" for command in used.values())


def markdown(results: Results) -> str:
    """All that stands between the two marks."""
    notes = Notes()
    sizes = {name: f"{value:,g}" for name, value in vars(results.sizes).items()} | {"hashed": HASHED}
    table = _table(results, _median_cell, notes)
    quick = "**These are short runs, which show that all works. Their figures are good for nothing else.**\n\n"
    return (f"{quick if results.quick else ''}{_facts(results)}\n{table}\n{notes}\n"
            f"![The table as bars on logarithmic scales](performance.svg)\n{_against_the_relay(results)}\n"
            f"{COMMANDS}\n"
            f"{_commands(results.sizes)}\n"
            f"### Read with care\n\n{CARE.format(**sizes)}\n"
            f"<details>\n<summary>All runs: smallest / median / largest</summary>\n\n"
            f"{_table(results, _spread_cell, notes)}\n</details>\n")


def put(text: str, path: pathlib.Path, begin: str, end: str) -> None:
    """Puts the text between the marks; all else in the file stays."""
    page = path.read_text() if path.exists() else f"# Performance\n\n{begin}\n{end}\n"
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise SystemExit(f"{path}: the table goes between {begin} and {end}, which are not there")
    path.write_text(f"{before}{begin}\n{text}{end}{after}")


def write(results: Results, path: pathlib.Path) -> None:
    put(markdown(results), path, BEGIN, END)
