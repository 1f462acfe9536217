"""Runs a command as systemd would under MemoryDenyWriteExecute and SystemCallFilter, without systemd and as anybody.

python -m tests.confined CALLS COMMAND [WORD...]     CALLS: names of the system calls that may be made, by comma
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys

# Source: linux/prctl.h, linux/seccomp.h, seccomp.h of libseccomp
PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 65, 1
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO_EPERM = 0x7FFF0000, 0x00050000 | errno.EPERM
LIBRARY = "libseccomp.so.2"


def confine(calls: list[str]) -> None:
    """From here on no memory that was written becomes executable, and other system calls give EPERM. Raises OSError."""
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        raise OSError("this kernel knows no PR_SET_MDWE")
    seccomp = ctypes.CDLL(LIBRARY)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_ERRNO_EPERM))
    for name in calls:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else it is one of another architecture
            seccomp.seccomp_rule_add(rules, SCMP_ACT_ALLOW, number, 0)
    if failed := seccomp.seccomp_load(rules):
        raise OSError(-failed, os.strerror(-failed))


def bites() -> bool:
    """Whether it holds: a page that is written and executed, and a process that is nicer than it was."""
    held = 0
    for attempt in (lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC), lambda: os.nice(1)):
        try:
            attempt()
        except PermissionError:
            held += 1
    return held == 2


if __name__ == "__main__":
    confine(sys.argv[1].split(","))
    if not bites():
        sys.exit("not confined")
    os.execvp(sys.argv[2], sys.argv[2:])
