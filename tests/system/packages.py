"""The package under test, and a later one made of it."""
import pathlib
import shutil
import subprocess
import tempfile

from machine import CannotRun

PACKAGE = "/stage/messengerd.deb"
LATER_PACKAGE = "/stage/messengerd-later.deb"
PROBE = "/stage/probe"
HERE = pathlib.Path(__file__).parent


def prepare(package, folder):
    """Puts into the folder what machines need: the package, the same with a later version, and the probe."""
    if not package.is_file():
        raise CannotRun(f"{package} is no file; .ci/system builds it")
    shutil.copy(package, folder / "messengerd.deb")
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
