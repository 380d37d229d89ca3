"""The package under test, a later one made of it, and that of the commit before."""
import pathlib
import shutil
import subprocess
import tempfile

from machine import CannotRun

PACKAGE = "/stage/messengerd.deb"
LATER_PACKAGE = "/stage/messengerd-later.deb"
PREVIOUS_PACKAGE = "/stage/messengerd-previous.deb"
PROBE = "/stage/probe"
HERE = pathlib.Path(__file__).parent


def prepare(package, folder, previous=None):
    """Puts into the folder what machines need: the package, the same with a later version, the previous one, and the
    probe."""
    for file in (package, previous or package):
        if not file.is_file():
            raise CannotRun(f"{file} is no file; .ci/system builds it")
    shutil.copy(package, folder / "messengerd.deb")
    shutil.copy(previous or package, folder / "messengerd-previous.deb")
    # Two commits have one version: to upgrade from one to the other, the package under test has to be the later one.
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch) / "package"
        subprocess.run(["dpkg-deb", "--raw-extract", package, root], check=True)
        control = root / "DEBIAN" / "control"
        lines = control.read_text().splitlines(keepends=True)
        control.write_text("".join(line.rstrip("\n") + "+later\n" if line.startswith("Version:") else line for line in lines))
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, folder / "messengerd-later.deb"], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["rustc", "--edition", "2024", "-O", "-o", folder / "probe", HERE / "probe.rs"], check=True)


def install(machine, package=PACKAGE):
    """As administrators do."""
    return machine.must(f"apt-get -qq install {package} 2>&1")


def change_to(machine, package):
    """Installs an earlier or a later package over the one that is there. Files that were changed stay as they are."""
    return machine.must("apt-get -qq install --allow-downgrades -o Dpkg::Options::=--force-confdef "
                        f"-o Dpkg::Options::=--force-confold {package} 2>&1")
