"""The examples for fail2ban: who guesses is found, nobody else is, and somebody is told."""
import ast
import re

from fail2ban import Fail2ban
from machine import eventually
from people import PASSWORD, Person, log_in

# What a stranger would like to have shut out, in a login.
PLANTED = "x peer=192.0.2.66:1 protocol=classic login=y request=log-in error=WrongPassword"


def _answer(machine, request):
    with machine.connect() as connection:
        connection.sendall(request)
        return connection.recv(4096)


def fail2ban_finds_who_guesses_and_nobody_else(machine):
    ann = Person(machine, "ann").signs_up()
    with log_in(machine, "ann"):
        pass
    guesses = 0
    for login in ("ann", "nobody", PLANTED[:64], f"log-in refused {PLANTED}"[:64]):
        assert _answer(machine, b"\x01" + login.encode() + b"\rnot the password") in (b"\x01\x01", b"\x01\x02")
        guesses += 1
    # From then on it may be ann herself who is told to wait.
    while _answer(machine, b"\x01ann\rnot the password") != b"\x01\x03":
        guesses += 1
    assert _answer(machine, b"\x01ann\r" + PASSWORD.encode()) == b"\x01\x03"

    match = "_SYSTEMD_UNIT=messengerd.service REQUEST=log-in"
    journal = eventually("all of it is in the journal", lambda: _with(machine, match, "log-in refused", guesses + 2))
    with Fail2ban() as fail2ban:
        assert fail2ban.found(journal) == ["127.0.0.1"] * guesses, journal
        told = fail2ban.configuration()
    lines = [ast.literal_eval(line) for line in told.splitlines() if line.startswith("[") and line.endswith("]")]
    assert ["add", "messengerd", "systemd"] in lines, told
    assert ["set", "messengerd", "addjournalmatch", *match.split()] in lines, told
    assert ["set", "messengerd", "addaction", "nftables"] in lines, told

    (action,) = [line for line in lines if line[:4] == ["multi-set", "messengerd", "action", "messengerd-tell"]]
    command = dict(action[4])["actionban"]
    ban = {"ip": "192.0.2.66", "bantime": "3600", "failures": "8"} | dict(action[4])
    # As fail2ban fills them in when it bans.
    machine.must(re.sub(r"<(\w+)>", lambda tag: ban[tag[1]], command))
    # What guesses have cost is forgotten when the daemon is stopped, and ann may log in again.
    machine.must("systemctl stop messengerd.socket messengerd.service; systemctl start messengerd.socket")
    ann.reads("192.0.2.66 is shut out of messengerd for 3600 s: 8 failures")


def _with(machine, match, text, times):
    journal = machine.must(f"journalctl --quiet --no-pager --output=short {match}")
    return journal if journal.count(text) >= times else None
