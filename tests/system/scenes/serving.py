"""What people and administrators see while it runs."""
import json
import pathlib

from lacks import NotPlayed
from machine import eventually
from people import Person, log_in

RECORDED = pathlib.Path(__file__).parents[4] / "shared" / "classic" / "replay.py"


def two_people_talk(machine):
    ann, bob = Person(machine, "ann").signs_up(), Person(machine, "bob").signs_up()
    ann.must("--login", "ann", "add", "bob")
    ann.sends("bob", "Hello Bob, are you there?")
    bob.reads("Hello Bob, are you there?")
    with log_in(machine, "bob") as connection:
        ann.sends("bob", "now you are")
        assert b"now you are" in connection.recv(4096)


def the_recorded_exchanges_hold(machine):
    if not RECORDED.exists():
        raise NotPlayed(f"{RECORDED} is not here")
    # What plays them takes one read for one packet. On a busy machine it may come to its read later than the 5 ms that
    # lie between two packets by default. And it knows no invites.
    machine.write("/etc/messengerd/conf.d/scene.toml", '[classic]\npacket_gap = "200ms"\n[accounts]\nsign_up = "open"\n')
    for _ in range(2):
        ran = machine.in_network("python3", str(RECORDED), "127.0.0.1", "54321")
        assert ran.code == 0 and "all steps hold" in ran.out, ran


def journal_records_carry_their_fields(machine):
    Person(machine, "ann").signs_up()
    with log_in(machine, "ann") as connection:
        connection.sendall(b"\x77")
        assert connection.recv(4096) == b""

    def records(match):
        text = machine.must(f"journalctl --quiet --output=json --unit=messengerd.service {match}")
        return [json.loads(line) for line in text.splitlines()]

    (began,) = eventually("a record of the session", lambda: [r for r in records("LOGIN=ann") if r.get("REQUEST") == "log-in"])
    assert began["SYSLOG_IDENTIFIER"] == "messengerd" and began["PRIORITY"] == "6", began
    assert began["PEER"].startswith("127.0.0.1:") and began["PROTOCOL"] == "classic", began
    closed = eventually("a record of the connection", lambda: records("PROTOCOL=classic PRIORITY=4"))[-1]
    assert closed["PEER"].startswith("127.0.0.1:") and "0x77" in closed["ERROR"], closed
    everything = machine.must("journalctl --quiet --output=json")
    assert "secret of everybody" not in everything


def the_status_says_who_is_here(machine):
    Person(machine, "ann").signs_up()
    with log_in(machine, "ann"):
        eventually("ann in the status", lambda: machine.show("messengerd.service", "StatusText") == "1 online, 1 connection")
    eventually("nobody in the status", lambda: machine.show("messengerd.service", "StatusText") == "0 online, 0 connections")
