"""The rows of the table: which servers there are, how each is set up and started, and what the generator has to know.

A server's `home` is an empty directory; the directory `data` in it is what the server keeps, and for some it is there
already: a copy of one in which the accounts have been made.
"""
import dataclasses
import pathlib
import shutil
import string
import subprocess

from processes import free_port
from workloads import HASHED, PASSWORD, WORKLOADS

CONFIG = pathlib.Path(__file__).parent / "config"

# Whether a message is on disk before it is delivered, for the plot: `ours` is messengerd in its colour.
OURS, SYNCED, WRITTEN, NOTHING = "ours", "synced", "written", "nothing"


def _configure(home: pathlib.Path, port: int, name: str, *pieces: str) -> pathlib.Path:
    """Writes the configuration, made of pieces one behind the other."""
    text = "".join((CONFIG / piece).read_text() for piece in pieces or (name,))
    target = home / name
    target.write_text(string.Template(text).substitute(home=home, port=port))
    return target


@dataclasses.dataclass
class Peer:
    """A server that keeps nothing between two runs, and has no accounts. The others are made from it."""

    packages: tuple[str, ...] = ()
    generator: tuple[str, ...] = ()
    # What it is if it isn't a package: the file, which the caller has built.
    program: pathlib.Path | None = None

    def accounts(self, workload: str) -> str | None:
        """The name of the accounts that it needs. Rows that say the same share them."""
        return None

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        """Sets it up in `home`, and says how it is started, and with which variables."""
        raise NotImplementedError

    def companion(self, home: pathlib.Path) -> tuple[list[str], dict[str, str], int] | None:
        """What has to run beside it, and the port on which that listens."""
        return None

    def options(self, workload: str) -> list[str]:
        """The generator's options for this server."""
        return list(self.generator)


# All clients come from one address here, and ask for more than anybody else does: no limit is what is measured.
UNLIMITED = ("connections.source_max=19000", "connections.requests_refill=0s", "connections.source_requests_refill=0s",
             "accounts.source_sign_ups_refill=0s", "accounts.sign_ups_refill=0s", "auth.source_log_ins_refill=0s")


@dataclasses.dataclass
class Messengerd(Peer):
    settings: tuple[str, ...] = ()
    generator: tuple[str, ...] = ("--proto", "classic", "--password", PASSWORD)

    def accounts(self, workload: str) -> str | None:
        # Thousands of accounts are made with the cheapest hash, or their making and their log-ins would take all the time.
        # What log-ins cost is measured with the real one.
        return "messengerd-hashed" if workload == "logins" else "messengerd"

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        settings = ["connections.max=19000", "log.level=warn", f'listen.classic=["127.0.0.1:{port}"]',
                    *UNLIMITED, *self.settings]
        if workload != "logins":
            settings += ["auth.argon2_memory=8KiB", "auth.argon2_iterations=1"]
        (home / "data").mkdir(exist_ok=True)
        return ([str(self.program), *(word for setting in settings for word in ("--set", setting))],
                {"STATE_DIRECTORY": str(home / "data")})

    def options(self, workload: str) -> list[str]:
        return [*self.generator, *(["--users", str(HASHED)] if workload == "logins" else [])]


@dataclasses.dataclass
class Relay(Peer):
    generator: tuple[str, ...] = ("--proto", "classic", "--password", PASSWORD)

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        return [str(self.program), f"127.0.0.1:{port}"], {}


@dataclasses.dataclass
class Prosody(Peer):
    packages: tuple[str, ...] = ("prosody", "lua-dbi-sqlite3")
    generator: tuple[str, ...] = ("--proto", "xmpp", "--password", PASSWORD)
    archive: tuple[str, ...] = ()

    def accounts(self, workload: str) -> str | None:
        return "prosody"

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        (home / "data").mkdir(exist_ok=True)
        # It looks for certificates beside its configuration.
        (home / "certs").mkdir()
        config = _configure(home, port, "prosody.cfg.lua", "prosody.cfg.lua", *self.archive, "prosody-host.cfg.lua")
        return ["prosody", "--config", str(config), "-F"], {}


@dataclasses.dataclass
class Ejabberd(Peer):
    packages: tuple[str, ...] = ("ejabberd", "erlang-p1-sqlite3")
    generator: tuple[str, ...] = ("--proto", "xmpp", "--password", PASSWORD)
    archive: tuple[str, ...] = ()
    # The port of Erlang's name service.
    names: int = 0

    def accounts(self, workload: str) -> str | None:
        return "ejabberd"

    def companion(self, home: pathlib.Path) -> tuple[list[str], dict[str, str], int] | None:
        # Erlang would start a name service by itself and leave it behind. It finds this one by its port, which is not the
        # usual one: somebody else's may be there.
        self.names = free_port()
        return ["epmd", "-address", "127.0.0.1", "-port", str(self.names)], {}, self.names

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        for folder in ("data", "logs"):
            (home / folder).mkdir(exist_ok=True)
        config = _configure(home, port, "ejabberd.yml", "ejabberd.yml", *self.archive)
        control = _configure(home, port, "ejabberdctl.cfg")
        _configure(home, port, "inetrc")
        # It refuses to be anybody else.
        subprocess.run(["chown", "-R", "ejabberd:ejabberd", str(home)], check=True)
        return (["setpriv", "--reuid=ejabberd", "--regid=ejabberd", "--clear-groups", "ejabberdctl",
                 "--node", "peer@localhost", "--config-dir", str(home), "--config", str(config),
                 "--ctl-config", str(control), "--spool", str(home / "data"), "--logs", str(home / "logs"), "foreground"],
                {"HOME": str(home), "ERL_EPMD_PORT": str(self.names), "ERL_EPMD_ADDRESS": "127.0.0.1"})


@dataclasses.dataclass
class Ngircd(Peer):
    packages: tuple[str, ...] = ("ngircd",)
    generator: tuple[str, ...] = ("--proto", "irc", "--password", "")

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        return ["ngircd", "-n", "-f", str(_configure(home, port, "ngircd.conf"))], {}


@dataclasses.dataclass
class Inspircd(Peer):
    packages: tuple[str, ...] = ("inspircd",)
    generator: tuple[str, ...] = ("--proto", "irc", "--password", "")

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        config = _configure(home, port, "inspircd.conf")
        return ["inspircd", "--nofork", "--runasroot", "--nopid", f"--config={config}"], {}

    def options(self, workload: str) -> list[str]:
        # It completes log-ins once a second, so many must come at the same time.
        many = ["--clients", "1000", "--users", "1000"] if workload == "logins" else ["--connectors", "500"]
        return [*self.generator, *many]


@dataclasses.dataclass
class Mosquitto(Peer):
    packages: tuple[str, ...] = ("mosquitto",)
    qos: int = 0

    def command(self, home: pathlib.Path, port: int, workload: str) -> tuple[list[str], dict[str, str]]:
        names = [f"u{number:05}" for number in range(5000)] + ["star"]
        passwords = home / "passwords"
        passwords.write_text("".join(f"{name}:{PASSWORD}\n" for name in names))
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        return ["mosquitto", "-c", str(_configure(home, port, "mosquitto.conf"))], {}

    def options(self, workload: str) -> list[str]:
        return ["--proto", "mqtt", "--password", PASSWORD, "--qos", str(self.qos)]


@dataclasses.dataclass
class Row:
    """A row of the table."""

    name: str
    title: str
    peer: Peer
    keeps: str
    # Its name where there is little room; else the title.
    label: str = ""
    # An archive has no part in the others.
    workloads: tuple[str, ...] = WORKLOADS
    # Seconds before `pairs` is measured. With archives, each queued message is to have gone round once.
    warmup: float = 2


def rows() -> list[Row]:
    """All rows, in the order of the table."""
    messages = ("pairs", "one")
    files, sqlite = ("prosody-archive-files.cfg.lua",), ("prosody-archive-sqlite.cfg.lua",)
    mnesia, sqlite_too = ("ejabberd-archive-mnesia.yml",), ("ejabberd-archive-sqlite.yml",)
    return [
        Row("messengerd", "**messengerd**, each message committed with `fdatasync`", Messengerd(), OURS, "messengerd"),
        Row("messengerd-normal", "messengerd, `store.synchronous=normal`",
            Messengerd(settings=("store.synchronous=normal",)), OURS, "messengerd, not synced", messages),
        Row("relay", "bare relay (no protocol, no store)", Relay(), NOTHING, "bare relay", messages),
        Row("prosody", "Prosody", Prosody(), NOTHING),
        Row("prosody-files", "Prosody, archive in files", Prosody(archive=files), WRITTEN, "", messages, warmup=5),
        Row("prosody-sqlite", "Prosody, archive in SQLite", Prosody(archive=sqlite), SYNCED, "", messages, warmup=30),
        Row("ejabberd", "ejabberd", Ejabberd(), NOTHING),
        Row("ejabberd-mnesia", "ejabberd, archive in Mnesia", Ejabberd(archive=mnesia), WRITTEN, "", messages, warmup=5),
        Row("ejabberd-sqlite", "ejabberd, archive in SQLite", Ejabberd(archive=sqlite_too), SYNCED, "", messages, warmup=15),
        Row("ngircd", "ngIRCd", Ngircd(), NOTHING),
        Row("inspircd", "InspIRCd", Inspircd(), NOTHING),
        Row("mosquitto", "Mosquitto, QoS 0", Mosquitto(), NOTHING),
        Row("mosquitto-qos1", "Mosquitto, QoS 1", Mosquitto(qos=1), NOTHING, "", ("pairs", "one", "fanout")),
    ]


def fresh(home: pathlib.Path, accounts: pathlib.Path | None) -> None:
    """Makes `home` anew, with a copy of the accounts; owners are copied too."""
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(mode=0o755)
    if accounts is not None:
        subprocess.run(["cp", "-a", str(accounts), str(home / "data")], check=True)
