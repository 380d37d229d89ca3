"""fail2ban's own programs, out of its package and without installing it, with the examples that we ship."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from machine import CannotRun

EXAMPLES = pathlib.Path(__file__).parents[2] / "packaging" / "examples" / "fail2ban"


class Fail2ban:
    """`with Fail2ban() as fail2ban:` has it in a folder, with our examples where administrators put them."""

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="messengerd-fail2ban-")
        folder = pathlib.Path(self.scratch.name)
        # By apt's own user, who may not write to root's folders.
        folder.chmod(0o777)
        if subprocess.run(["apt-get", "-qq", "download", "fail2ban"], cwd=folder, stdout=subprocess.DEVNULL).returncode != 0:
            raise CannotRun("apt-get can't download fail2ban")
        (package,) = folder.glob("*.deb")
        self.root = folder / "root"
        subprocess.run(["dpkg-deb", "--extract", package, self.root], check=True)
        shutil.copytree(EXAMPLES, self.root / "etc/fail2ban", dirs_exist_ok=True)
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()

    def run(self, program, *arguments):
        done = subprocess.run(["python3", self.root / "usr/bin" / program, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=os.environ | {"PYTHONPATH": str(self.root / "usr/lib/python3/dist-packages")})
        assert done.returncode == 0, done.stdout
        return done.stdout

    def configuration(self):
        """What the server would be told, as fail2ban-client has it: all files are read, all tags filled in."""
        return self.run("fail2ban-client", "-c", str(self.root / "etc/fail2ban"), "--dump")

    def found(self, journal):
        """The addresses that our filter finds in the journal's lines, one for each failure."""
        file = pathlib.Path(self.scratch.name) / "journal"
        file.write_text(journal)
        said = self.run("fail2ban-regex", "-c", str(self.root / "etc/fail2ban"), "--out", "ip", str(file),
                        str(self.root / "etc/fail2ban/filter.d/messengerd.conf"))
        return said.split()
