"""Run a command that dies with the process that started it: `leash.py PARENT_PID COMMAND…`.

Linux ends the command with the *thread* that started it: start it from one that lives as long as the process.
Elsewhere the kernel takes no such order: the command outlives a parent that is killed with SIGKILL.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str]) -> list[str]:
    """Return *command* as it is to be started by this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _die_with(parent: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit(f"parent {parent} is gone")


if __name__ == "__main__":
    if sys.platform == "linux":
        _die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606
