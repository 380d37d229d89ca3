"""What a kernel may lack. A scene that can't be played for want of one of these says so by its name here, and that is no
failure, not even in CI; that it can't be played for any other reason is one there."""
import ctypes
import pathlib

# landlock_create_ruleset(2) has this number on every architecture; the flag asks for the ABI's version.
SYS_LANDLOCK_CREATE_RULESET, LANDLOCK_CREATE_RULESET_VERSION = 444, 1


class NotPlayed(Exception):
    """A scene can't be played here, and why."""

    excused = False


class KernelLacks(NotPlayed):
    """It is the kernel's lack, and one that is named below."""

    excused = True


def _landlock(_):
    # Of this machine's kernel, so that what the container itself may forbid is not taken for a lack of it.
    return ctypes.CDLL(None, use_errno=True).syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0


def _firewalls_for_units(machine):
    sends = "systemd-run --quiet --wait {} bash -c 'echo >/dev/udp/127.0.0.1/9'"
    machine.must(sends.format(""))
    return machine.run(sends.format("--property=IPAddressDeny=any")).code != 0


def _memory_groups(machine):
    divided = pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
    return divided or machine.show("messengerd.service", "MemoryCurrent").isdigit()


KERNEL_MAY_LACK = {
    "Landlock": _landlock,
    # CONFIG_CGROUP_BPF, and a unified cgroup hierarchy.
    "firewalls for units (IPAddressDeny=)": _firewalls_for_units,
    # CONFIG_MEMCG, and a hierarchy that gives it to containers, or is divided.
    "control groups for memory": _memory_groups,
}


def need(machine, what):
    """Returns when the kernel has this."""
    if not KERNEL_MAY_LACK[what](machine):
        raise KernelLacks(f"this kernel has no {what}")
