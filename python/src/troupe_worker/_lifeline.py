"""A worker dies with the process that started it.

1. Linux: the kernel sends SIGKILL when the starting *thread* ends, so start workers from a main thread.
2. The parent may have died before we asked; that is why it says its pid and we compare.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
from typing import Final

PARENT_GONE: Final = 70
"""Exit code of a worker whose parent was gone before it could ask to die with it."""
_PR_SET_PDEATHSIG: Final = 1


def die_with(parent: int) -> None:
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(PARENT_GONE)


def take_stdin() -> int | None:
    """The parent's end of standard input as a private descriptor, if it is a pipe that can tell us of its end.

    The worker itself reads from the null device from then on: nothing of it may take bytes off that pipe.
    """
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    lifeline = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return lifeline
