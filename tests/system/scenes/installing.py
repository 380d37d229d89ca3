"""What dpkg does: install, remove, purge. Upgrades are in upgrading.py."""
import packages
from machine import eventually
from people import Person, log_in


def the_socket_listens_after_installation_and_the_first_connection_starts_the_daemon(machine):
    assert machine.show("messengerd.socket", "ActiveState") == "active"
    assert machine.show("messengerd.service", "ActiveState") == "inactive"
    assert machine.run("systemctl is-enabled messengerd.socket").out == "enabled\n"
    Person(machine, "ann").signs_up()
    assert machine.show("messengerd.service", "ActiveState") == "active"
    assert machine.run("systemctl is-system-running").out == "running\n"


def the_socket_listens_on_ipv6_too_and_not_on_the_network(machine):
    machine.connect(("::1", 54321)).close()
    machine.must("ip address add 192.0.2.7/32 dev lo")
    try:
        machine.connect(("192.0.2.7", 54321)).close()
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError("it listens on the network, though nobody opened it")


def what_a_newer_systemd_can_do_is_shown_to_it_alone(machine):
    steps = {"bookworm": "", "trixie": "5"}[machine.suite]
    assert machine.run("systemctl show --property=RestartSteps --value messengerd.service").out.strip() == steps
    assert "ignoring" not in machine.journal("_PID=1"), "systemd complains about a unit"
    assert machine.must("systemd-analyze verify --man=no messengerd.service messengerd.socket messengerd-control.socket messengerd-metrics.socket 2>&1") == ""


def another_systemd_is_noticed_by_the_package_that_is_installed(machine):
    link = "/usr/lib/systemd/system/messengerd.service.d/254.conf"
    before = machine.run(f"readlink {link}").out
    machine.must(f"rm -f {link}")
    # What dpkg does when it unpacks the package systemd.
    machine.must("dpkg-trigger --by-package=systemd /usr/lib/systemd/systemd && dpkg --configure --pending")
    assert machine.run(f"readlink {link}").out == before
    assert bool(before) == (machine.suite != "bookworm"), before


def removal_keeps_the_data_and_a_new_installation_finds_it(machine):
    ann, bob = Person(machine, "ann").signs_up(), Person(machine, "bob").signs_up()
    ann.must("--login", "ann", "add", "bob")
    ann.sends("bob", "kept")
    machine.must("apt-get -qq remove messengerd 2>&1")
    assert machine.run("pgrep -x messengerd || ls /usr/sbin/messengerd /usr/lib/systemd/system/messengerd*").out == ""
    try:
        machine.connect().close()
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError("somebody still listens")
    assert machine.run("systemctl is-system-running").out == "running\n"
    packages.install(machine)
    bob.reads("kept")


def purge_keeps_the_data_and_says_where_it_is(machine):
    Person(machine, "ann").signs_up()
    said = machine.must("apt-get -qq purge messengerd 2>&1")
    assert "accounts and messages are kept in /var/lib/messengerd" in said, said
    assert machine.must("ls /var/lib/messengerd/messengerd.sqlite")
    left = machine.must("find /etc /usr /run /var -not -path '/var/lib/messengerd*' -not -path '/var/cache/*' -name '*messengerd*' "
                        "-not -path '/var/log/*' -not -path '/run/systemd/*' 2>/dev/null || true")
    assert left == "", left


def purge_removes_the_data_where_a_flag_file_says_so(machine):
    Person(machine, "ann").signs_up()
    machine.must("touch /var/lib/messengerd/remove-on-purge")
    said = machine.must("apt-get -qq purge messengerd 2>&1")
    assert "/var/lib/messengerd is removed" in said, said
    assert machine.run("ls -d /var/lib/messengerd").code != 0


def the_state_directory_is_the_daemons_alone(machine):
    Person(machine, "ann").signs_up()
    assert machine.must("stat -c '%U:%G %a' /var/lib/messengerd") == "messengerd:messengerd 700\n"
    modes = machine.must("stat -c '%U %a' /var/lib/messengerd/*").splitlines()
    # The folder of backups, and files.
    assert sorted(set(modes)) == ["messengerd 600", "messengerd 700"], modes


def a_client_that_is_connected_is_told_of_nothing_but_the_end_when_the_daemon_stops(machine):
    Person(machine, "ann").signs_up()
    with log_in(machine, "ann") as connection:
        machine.must("systemctl stop messengerd.service")
        assert connection.recv(4096) == b""
    assert machine.show("messengerd.service", "Result") == "success"
    eventually("the socket listens on", lambda: machine.show("messengerd.socket", "SubState") == "listening")
