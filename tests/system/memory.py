"""A limit for a service's memory, by the kernel's memory control group: what MemoryMax= is to systemd.

Where this machine has the unified hierarchy, the container's systemd sets it. Where the hierarchy is divided, a container's
systemd may not touch the memory controller; then the scene makes the group, and puts the daemon into it.
"""
import contextlib
import pathlib

from lacks import need

DIVIDED = pathlib.Path("/sys/fs/cgroup/memory")


@contextlib.contextmanager
def at_most(machine, unit, size):
    """The unit's present process gets no more than so many bytes beside those that it has; of the next, only systemd says
    how much it gets. Yields a function: how often the kernel has ended somebody for it."""
    need(machine, "control groups for memory")
    if machine.show(unit, "MemoryCurrent").isdigit():
        with _by_systemd(machine, unit, size) as kills:
            yield kills
        return
    group = DIVIDED / machine.name
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(size))
        (group / "cgroup.procs").write_text(str(machine.outside(int(machine.show(unit, "MainPID")))))
        yield lambda: _counted(group / "memory.oom_control")
    finally:
        # The daemon is its only process; when it lives, it goes back.
        for process in (group / "cgroup.procs").read_text().split():
            (DIVIDED / "cgroup.procs").write_text(process)
        group.rmdir()


@contextlib.contextmanager
def _by_systemd(machine, unit, size):
    usual, now = machine.show(unit, "MemoryMax"), int(machine.show(unit, "MemoryCurrent"))
    machine.must(f"systemctl set-property --runtime {unit} MemoryMax={now + size} MemorySwapMax=0")
    # systemd.exec(5), $SERVICE_RESULT: systemd reads the group's memory.events when it has become empty.
    yield lambda: machine.journal("_PID=1", f"UNIT={unit}").count("oom-kill")
    machine.must(f"systemctl set-property --runtime {unit} MemoryMax={usual}")


def _counted(file):
    """oom_kill of memory.oom_control: the kernel's documentation, admin-guide/cgroup-v1/memory.rst."""
    return next(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("oom_kill "))
