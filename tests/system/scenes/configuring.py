"""Files under /usr/lib/messengerd and /etc/messengerd, reload, and faults in them."""
import json

from machine import eventually
from people import Person

FILE = "/etc/messengerd/conf.d/scene.toml"


def the_package_lets_in_who_has_an_invite_and_nobody_else(machine):
    machine.must("systemctl start messengerd.service")
    # What the daemon goes by is what the files say, those that the package has brought included.
    assert machine.must("messengerctl config diff") == "the daemon goes by what the files say\n"
    bob = Person(machine, "bob")
    assert bob.does("signup", "bob", "--email", "bob@example.org").code == 69
    code = json.loads(machine.must("messengerctl invite create --json"))["code"]
    bob.must("signup", "bob", "--email", "bob@example.org", "--invite", code)
    assert Person(machine, "eve").does("signup", "eve", "--email", "eve@example.org", "--invite", code).code == 69


def a_good_configuration_is_in_force_when_the_reload_returns(machine):
    ann = Person(machine, "ann").signs_up()
    before = machine.show("messengerd.service", "MainPID")
    machine.write(FILE, '[accounts]\nsign_up = "closed"\n')
    machine.must("systemctl reload messengerd.service")
    assert Person(machine, "bob").does("signup", "bob", "--email", "bob@example.org").code != 0
    assert machine.show("messengerd.service", "MainPID") == before
    assert machine.journal("_SYSTEMD_UNIT=messengerd.service").count("configuration reloaded") == 1
    said = machine.must("journalctl --quiet --output=cat _SYSTEMD_UNIT=messengerd.service AUDIT=1 --output-fields=MESSAGE,PEER")
    assert "take the new configuration" in said and "local user 0, process " in said, said
    assert ann.does("--login", "ann", "contacts").code == 0


def a_reload_with_a_bad_configuration_fails_and_the_service_goes_on(machine):
    ann = Person(machine, "ann").signs_up()
    before = machine.show("messengerd.service", "MainPID")
    machine.write(FILE, '[accounts]\nsign_up = "perhaps"\npasword_min_length = 10\n')
    ran = machine.run("systemctl reload messengerd.service")
    assert ran.code != 0 and "journalctl" in ran.err, ran
    both = ("_SYSTEMD_UNIT=messengerd.service", "_COMM=messengerctl")
    for source in both:
        why = (f"reload refused: {FILE}:2: accounts.sign_up: ", f"reload refused: {FILE}:3: accounts.pasword_min_length: ")
        eventually(f"why, in the journal, by {source}", lambda: all(line in machine.journal(source) for line in why))
    assert "2 faults" in machine.show("messengerd.service", "StatusText")
    assert machine.show("messengerd.service", "ActiveState") == "active"
    assert machine.show("messengerd.service", "MainPID") == before
    assert ann.does("--login", "ann", "contacts").code == 0
    machine.must(f"rm {FILE} && systemctl reload messengerd.service")
    assert "refused" not in machine.show("messengerd.service", "StatusText")


def a_reload_that_would_need_a_restart_fails_and_names_the_keys(machine):
    ann = Person(machine, "ann").signs_up()
    machine.write(FILE, '[accounts]\nsign_up = "closed"\n[connections]\nmax = 100\n')
    refusal = "reload refused: needs a restart: connections.max"
    assert machine.run("systemctl reload messengerd.service").code != 0
    assert refusal in machine.show("messengerd.service", "StatusText")
    eventually("why, in the journal", lambda: refusal in machine.must("journalctl --quiet --output=cat _COMM=messengerctl"))
    assert machine.show("messengerd.service", "ActiveState") == "active"
    assert ann.does("--login", "ann", "contacts").code == 0
    Person(machine, "bob").signs_up()
    machine.must("systemctl restart messengerd.service")
    assert "refused" not in machine.show("messengerd.service", "StatusText")
    assert Person(machine, "cat").does("signup", "cat", "--email", "cat@example.org").code != 0


def a_reload_of_files_that_the_daemon_cannot_read_fails_and_says_which(machine):
    Person(machine, "ann").signs_up()
    machine.write(FILE, '[accounts]\nsign_up = "closed"\n')
    machine.must(f"chmod 600 {FILE}")
    ran = machine.run("messengerctl reload")
    assert ran.code == 78 and f"reload refused: {FILE}: cannot be read" in ran.err, ran
    assert machine.run("systemctl reload messengerd.service").code != 0
    Person(machine, "bob").signs_up()
    machine.must(f"chmod 644 {FILE} && systemctl reload messengerd.service")


def a_reload_is_ordered_by_root_and_by_the_group_and_by_nobody_else(machine):
    Person(machine, "ann").signs_up()
    assert machine.must("stat --format='%U %G %a' /run/messengerd/control") == "root messengerd-admin 660\n"
    machine.must("useradd ann && useradd --groups messengerd-admin bob")
    ran = machine.run("setpriv --reuid=ann --regid=ann --init-groups messengerctl reload")
    assert ran.code == 77 and "not permitted" in ran.err, ran
    ann = machine.must("id -u ann").strip()
    eventually("her refusal in the journal, with AUDIT=1", lambda: "messengerctl refused" in machine.must(
        f"journalctl --quiet --output=cat _COMM=messengerctl _UID={ann} AUDIT=1"))
    ran = machine.run("setpriv --reuid=bob --regid=bob --init-groups messengerctl reload")
    assert ran.code == 0 and ran.out + ran.err == "", ran


def a_reload_when_all_is_stopped_finds_nobody(machine):
    ann = Person(machine, "ann").signs_up()
    machine.must("systemctl stop messengerd.socket messengerd.service")
    ran = machine.run("messengerctl reload")
    assert ran.code == 69 and "can't be reached at /run/messengerd/control" in ran.err, ran
    # Either socket brings the other back with the daemon.
    machine.must("systemctl start messengerd.socket")
    ann.must("--login", "ann", "contacts")
    machine.must("messengerctl reload")


def a_reload_is_ordered_by_varlinkctl_too(machine):
    if machine.suite == "bookworm":
        return
    Person(machine, "ann").signs_up()
    described = machine.must("varlinkctl introspect /run/messengerd/control io.messengerd.Control")
    assert "method Reload()" in described and "error ReloadRefused" in described, described
    assert "messengerd" in machine.must("varlinkctl info /run/messengerd/control")
    machine.must("varlinkctl call /run/messengerd/control io.messengerd.Control.Reload '{}'")
    machine.write(FILE, "[connections]\nmax = 100\n")
    ran = machine.run("varlinkctl call /run/messengerd/control io.messengerd.Control.Reload '{}'")
    assert ran.code != 0 and "io.messengerd.Control.ReloadRefused" in ran.out + ran.err, ran


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
    machine.must(f"rm {FILE} && systemctl reset-failed messengerd.service messengerd.socket messengerd-control.socket")
    machine.must("systemctl start messengerd.service")
    Person(machine, "ann").signs_up()
