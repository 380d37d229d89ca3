"""Files under /etc/messengerd, reload, and faults in them."""
from machine import eventually
from people import Person

FILE = "/etc/messengerd/conf.d/scene.toml"


def a_reload_takes_a_good_configuration(machine):
    ann = Person(machine, "ann").signs_up()
    before = machine.show("messengerd.service", "MainPID")
    machine.write(FILE, '[accounts]\nsign_up = "closed"\n')
    machine.must("systemctl reload messengerd.service")
    eventually("the reload in the journal", lambda: "configuration reloaded" in machine.journal("_SYSTEMD_UNIT=messengerd.service"))
    assert machine.show("messengerd.service", "MainPID") == before
    assert Person(machine, "bob").does("signup", "bob", "--email", "bob@example.org").code != 0
    assert ann.does("--login", "ann", "contacts").code == 0


def a_reload_with_a_bad_configuration_fails_and_the_service_goes_on(machine):
    ann = Person(machine, "ann").signs_up()
    before = machine.show("messengerd.service", "MainPID")
    machine.write(FILE, '[accounts]\nsign_up = "perhaps"\n')
    ran = machine.run("systemctl reload messengerd.service")
    assert ran.code != 0 and "journalctl" in ran.err, ran
    said = eventually("why, in the journal", lambda: machine.must("journalctl --quiet --output=cat _COMM=messengerctl"))
    assert f"{FILE}:2" in said and "accounts.sign_up" in said, said
    assert machine.show("messengerd.service", "ActiveState") == "active"
    assert machine.show("messengerd.service", "MainPID") == before
    assert ann.does("--login", "ann", "contacts").code == 0
    machine.must(f"rm {FILE} && systemctl reload messengerd.service")


def a_reload_that_would_need_a_restart_is_refused_by_name_in_the_status(machine):
    Person(machine, "ann").signs_up()
    machine.write(FILE, "[connections]\nmax = 100\n")
    machine.must("systemctl reload messengerd.service")
    refusal = "reload refused: needs a restart: connections.max"
    eventually("the refusal in the status", lambda: refusal in machine.show("messengerd.service", "StatusText"))
    machine.must("systemctl restart messengerd.service")
    assert "refused" not in machine.show("messengerd.service", "StatusText")


def a_bad_configuration_at_the_start_ends_it_at_once_and_the_journal_says_where(machine):
    machine.write(FILE, '[accounts]\nsign_up = "perhaps"\n')
    assert machine.run("systemctl start messengerd.service").code != 0
    assert machine.show("messengerd.service", "ExecMainStatus") == "78"
    assert machine.show("messengerd.service", "NRestarts") == "0"
    assert machine.show("messengerd.service", "ActiveState") == "failed"
    said = machine.journal("_SYSTEMD_UNIT=messengerd.service")
    assert f"{FILE}:2" in said and "accounts.sign_up" in said, said


def a_client_that_waits_for_a_daemon_with_a_bad_configuration_is_refused_in_the_end(machine):
    machine.write(FILE, '[accounts]\nsign_up = "perhaps"\n')
    with machine.connect() as connection:
        eventually("the socket gives up", lambda: machine.show("messengerd.socket", "ActiveState") == "failed")
        try:
            assert connection.recv(4096) == b""
        except ConnectionResetError:
            pass
    starts = machine.journal("_PID=1", "UNIT=messengerd.service").count("status=78/CONFIG")
    assert 1 <= starts <= 20, starts
    machine.must(f"rm {FILE} && systemctl reset-failed messengerd.service messengerd.socket")
    machine.must("systemctl start messengerd.service")
    Person(machine, "ann").signs_up()
