"""Many clients at once, in a machine's network: tests/messenger-swarm, told what to do by the scene."""
import json
import pathlib
import subprocess
import tempfile

from machine import PATIENCE, eventually

PROGRAM = pathlib.Path(__file__).parent.parent / "messenger-swarm"


LIGHT_HASHES = '[auth]\nargon2_memory = "64KiB"\nargon2_iterations = 1\n'
# All come from one address.
A_CROWD = """source_log_ins = 1000000
[accounts]
sign_up = "open"
source_sign_ups = 1000000
sign_ups = 1000000
[connections]
source_max = 100000
source_requests = 10000000
"""


def let_a_crowd_in(machine, file):
    """Configures the daemon that is installed for so many clients; hashes are not what these scenes are about."""
    machine.write(file, LIGHT_HASHES + A_CROWD)
    if machine.run("messengerctl config check").code != 0:
        # One from before there were invites or such limits, from which the next upgrades.
        machine.write(file, LIGHT_HASHES)
        machine.must("messengerctl config check")


class Swarm:
    """`with Swarm(machine, "--clients=500") as swarm:` has them logged in and talking. `report` is the last that it gave."""

    def __init__(self, machine, *arguments):
        self.machine, self.arguments = machine, arguments

    def __enter__(self):
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["nsenter", "-t", self.machine.leader, "-n", "--", PROGRAM, "--seconds=0", f"--patience={PATIENCE}", *self.arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True)
        try:
            self._next_report()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.said.close()

    def _next_report(self):
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            raise AssertionError(f"the swarm ended: {self.said.read().decode(errors='replace')}")
        self.report = json.loads(line)
        return self.report

    def tell(self, command):
        """Gives a command, as `messenger-swarm --help` lists them, and returns the report."""
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self._next_report()

    def talks(self):
        """Returns when all are connected, and as many messages as there are clients have come since. A client that is
        closed and does not come back ends it."""
        def counts():
            report = self.tell("counts")
            assert "--return" in self.arguments or not report["closed"], f"connections were closed: {report}"
            return report

        eventually("all clients are connected", lambda: counts()["connected"] == self.report["clients"])
        enough = self.report["received"] + self.report["clients"]
        eventually("the clients hear of each other", lambda: counts()["received"] >= enough)
