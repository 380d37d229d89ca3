"""Facts of the machine and of the programs on it."""
import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def output(*command: str, **more) -> str:
    """What the command says, or nothing if it fails or isn't there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, **more).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _first(pattern: str, path: str) -> str:
    found = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    return found[1].strip() if found else ""


def _file_system(folder: pathlib.Path) -> str:
    """The type of the file system that the folder is on: that with the longest mount point above it."""
    mounts = [line.split()[1:3] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    above = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above)[1]


def facts(scratch: pathlib.Path) -> dict:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _first(r'^PRETTY_NAME="?([^"\n]*)', "/etc/os-release"),
        "cpu": _first(r"^model name\s*:(.*)", "/proc/cpuinfo") or platform.machine(),
        "virtual": bool(_first(r"^flags\s*:.*\b(hypervisor)\b", "/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_first(r"^MemTotal:\s*(\d+)", "/proc/meminfo")) / (1 << 20)),
        "file_system": _file_system(scratch),
    }


def fsync_us(scratch: pathlib.Path, times: int = 300, pause: float = 0) -> float:
    """How long a write of 4 KiB takes until it is on the disk (median), with so many seconds before each. The file has its
    size before, as a log that is used again, so that the file system has nothing else to note."""
    path, page, took = scratch / "fsync", os.urandom(4096), []
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.write(fd, bytes(4096 * times))
        os.fsync(fd)
        for number in range(times):
            time.sleep(pause)
            began = time.perf_counter()
            os.pwrite(fd, page, 4096 * number)
            os.fdatasync(fd)
            took.append(time.perf_counter() - began)
    finally:
        os.close(fd)
        path.unlink()
    return round(statistics.median(took) * 1e6, 1)


def package_version(name: str) -> str:
    """The version of an installed Debian package, or nothing."""
    status = output("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", name)
    return status[3:] if status.startswith("ii ") else ""


def install(packages: list[str]) -> None:
    """Installs what is missing; no service begins to run because of it, and none is left to begin at the next boot."""
    missing = [name for name in packages if not package_version(name)]
    if not missing:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # The maintainers' scripts ask this file whether they may start a service (invoke-rc.d(8)).
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-q"], env=quiet, check=True)
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], env=quiet, check=True)
    finally:
        if ours:
            policy.unlink()
    if pathlib.Path("/run/systemd/system").exists():
        for name in missing:
            output("systemctl", "disable", "--now", name)


def revision() -> str:
    """The checkout's commit, with a mark if there is more than that in it."""
    return output("git", "describe", "--always", "--dirty", cwd=ROOT)
