"""People who talk through the server of a machine, with the client that comes with the package."""
import json
import socket

from machine import PATIENCE

PASSWORD = "secret of everybody"


class Person:
    """Somebody with an account. Each has a home of their own inside the machine."""

    def __init__(self, machine, login):
        self.machine, self.login = machine, login
        self.home = f"/home/{login}"
        machine.write(f"{self.home}/password", PASSWORD + "\n")
        machine.must(f"chmod 600 {self.home}/password")

    def _messenger(self, words):
        return f"messenger --password-file {self.home}/password " + " ".join(f"'{word}'" for word in words)

    def does(self, *words):
        """Runs `messenger` with these words, and returns what came of it."""
        return self.machine.run(self._messenger(words), env={"HOME": self.home})

    def must(self, *words):
        ran = self.does(*words)
        assert ran.code == 0, f"{self.login}: messenger {words}: {ran!r}"
        return ran.out

    def signs_up(self):
        """With an invite, as the package wants it; a messengerd from before there were any needs none."""
        invited = self.machine.run("messengerctl invite create --json")
        code = ["--invite", json.loads(invited.out)["code"]] if invited.code == 0 else []
        self.must("signup", self.login, "--email", f"{self.login}@example.org", *code)
        return self

    def sends(self, whom, text):
        self.must("--login", self.login, "send", whom, text)

    def hears(self, text):
        """Listens with `messenger`, until it shows this text."""
        listens, heard = self._messenger(["--login", self.login, "listen"]), f"{self.home}/heard"
        ran = self.machine.run(f"{listens} >{heard} 2>&1 & n=0; until grep -q '{text}' {heard} || [ $n = {PATIENCE * 20} ]; "
                               f"do n=$((n + 1)); sleep 0.05; done; kill $!; cat {heard}; grep -q '{text}' {heard}",
                               env={"HOME": self.home})
        assert ran.code == 0, f"{self.login} hears no {text!r}: {ran!r}"

    def reads(self, text):
        """Logs in, and sees this text come from the mailbox; returns all that came."""
        with log_in(self.machine, self.login) as connection:
            seen = b""
            while text.encode() not in seen:
                more = connection.recv(4096)
                assert more, f"{self.login} reads {seen!r} and no {text!r}"
                seen += more
            return seen


def log_in(machine, login, address=("127.0.0.1", 54321)):
    """A classic connection that is logged in, held open by the scene."""
    return log_in_with_key(machine, login, address)[0]


def log_in_with_key(machine, login, address=("127.0.0.1", 54321)):
    """The same, and the session's key, for who asks something on it."""
    connection = machine.connect(address)
    connection.sendall(b"\x01" + login.encode() + b"\r" + PASSWORD.encode())
    # Done, and the key: seven bytes. What comes behind them is for the scene to read.
    answer = connection.recv(7, socket.MSG_WAITALL)
    assert len(answer) == 7 and answer.startswith(b"\x01\x00\r"), answer
    return connection, answer[3:]
