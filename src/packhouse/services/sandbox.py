# SPDX-License-Identifier: Apache-2.0
"""Taking rights away from this process, for good: network, files, other programs, memory and time (Linux).

Everything here works without privileges. What a kernel does not offer is left out: the limits of `limit` always hold.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF instructions
_NUMBER, _MACHINE = 0, 4  # offsets in struct seccomp_data; arguments are 8 bytes each from 16 on
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_X32 = 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every machine
_ALL_FILE_RIGHTS, _READ_FILES = 0x1FFF, 0x4 | 0x8  # of the first version; reading files and folders


@dataclass(frozen=True, slots=True)
class _Machine:
    """System calls by number: those refused, and those that open a file with flags in the argument given."""

    audit: int
    refused: tuple[int, ...]
    opening: tuple[tuple[int, int], ...]


# Sockets; new processes and programs; signals and debugging; namespaces and mounts; changing files; kernel interfaces.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (
            *(41, 42, 43, 49, 50, 53, 288),
            *(56, 57, 58, 59, 322, 435),
            *(62, 200, 234, 424, 434, 438, 101, 157, 310, 311),
            *(165, 272, 308),
            *(76, 77, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 133),
            *(258, 259, 260, 263, 264, 265, 266, 268, 280, 316),
            *(248, 249, 250, 298, 319, 321, 323, 425, 437),
        ),
        ((2, 1), (257, 2)),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (
            *(198, 199, 200, 201, 202, 203, 242),
            *(220, 221, 281, 435),
            *(129, 130, 131, 424, 434, 438, 117, 167, 270, 271),
            *(40, 97, 268),
            *(33, 34, 35, 36, 37, 38, 45, 46, 52, 53, 54, 55, 88, 276),
            *(217, 218, 219, 241, 279, 280, 282, 425, 437),
        ),
        ((56, 2),),
    ),
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)
_in_python = ctypes.PyDLL(None, use_errno=True)  # its functions keep the interpreter's lock
_in_python.malloc.restype = _in_python.sbrk.restype = ctypes.c_void_p
_in_python.malloc.argtypes = (ctypes.c_size_t,)
_MOST_GAPS = 32 * 1024 * 1024


class Filter(ctypes.Structure):
    """`struct sock_fprog`: a program of the Berkeley packet filter."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def leave_network() -> bool:
    """Move this process, which has one thread, into a network of its own that leads nowhere; whether that worked."""
    for flags in (_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC, _CLONE_NEWNET | _CLONE_NEWIPC):
        if _libc.unshare(flags) == 0:
            return True
    return False


def see_only(folders: Iterable[str]) -> bool:
    """Let this process and those it forks open files below these folders alone, for reading (Landlock).

    Descriptors that are open stay usable. Returns whether the kernel does that.
    """
    handled = ctypes.c_uint64(_ALL_FILE_RIGHTS)
    rules = _libc.syscall(_LANDLOCK_CREATE, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if rules < 0:
        return False
    try:
        for folder in folders:
            _allow_reading(rules, folder)
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(_libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow_reading(rules: int, folder: str) -> None:
    try:
        below = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a folder of the search path that is not there
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", _READ_FILES, below), 12)
        _libc.syscall(_LANDLOCK_ADD, rules, 1, rule, 0)
    finally:
        os.close(below)


def fork() -> int:
    """As `os.fork`, for a process with one thread; raises OSError.

    What Python does in a new process (locks, random numbers, hooks of modules) is for those with threads, and writes
    to a hundred pages of memory that would be shared otherwise: 0.2 ms for each child.
    """
    process = int(_in_python.fork())
    if process < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return process


def use_up_gaps() -> None:
    """Take the free pieces between those in use, so that what is asked for from now on lies side by side.

    A child that fills gaps all over its parent's memory gets a copy of its own of each page they are in.
    """
    left, end = _MOST_GAPS, int(_in_python.sbrk(0) or 0)  # of the memory that is taken from the system
    for size in (96 * 1024, *(1 << power for power in range(15, 10, -1)), *range(1024, 0, -16)):
        at = 0
        while left > 0 and at < end:
            at, left = int(_in_python.malloc(size) or end), left - size
        end = at if size == 96 * 1024 else end  # the gaps are before what was newly taken


def make_filter() -> Filter | None:
    """The filter of system calls for this machine, made once before the children are forked; None when unknown."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or struct.calcsize("P") != 8:
        return None
    code = [_step(_LOAD, _MACHINE), _step(_EQUAL, machine.audit, 1, 0), _step(_RETURN, _KILL)]
    code += [_step(_LOAD, _NUMBER), _step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, _KILL)]
    for number in machine.refused:
        code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _REFUSE)]
    for number, argument in machine.opening:
        code += [_step(_EQUAL, number, 0, 4), _step(_LOAD, 16 + 8 * argument), _step(_ANY_BIT, _WRITING, 0, 1)]
        code += [_step(_RETURN, _REFUSE), _step(_RETURN, _ALLOW)]
    code.append(_step(_RETURN, _ALLOW))
    return Filter(len(code), b"".join(code))


def _step(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def forbid(filter_: Filter | None) -> bool:
    """Apply the filter for good, and let nobody look into this process; whether the filter holds."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if filter_ is None or _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filter_), 0, 0) == 0)


def limit(*, memory: int, cpu_seconds: int, wall_seconds: float, more_cpu_seconds: int = 0) -> None:
    """Die when more than `memory` bytes of address space, or either time from now on, are needed; write no file at all.

    May be called again, where `more_cpu_seconds` are left for what comes later; memory is never given back.
    """
    used = int(time.process_time()) + 1
    limits = {
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_CPU: (used + cpu_seconds, used + cpu_seconds + more_cpu_seconds),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NOFILE: (32, 32),
    }
    for kind, (now, later) in limits.items():
        _, hard = resource.getrlimit(kind)
        most = later if hard == resource.RLIM_INFINITY else min(later, hard)
        resource.setrlimit(kind, (min(now, most), most))
    end_after(wall_seconds)


def end_after(wall_seconds: float) -> None:
    """Die of SIGALRM after so many seconds from now."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)


def address_space() -> int:
    """Bytes of address space that this process uses now."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib would read it in more steps
        return int(file.read().split()[0]) * resource.getpagesize()
