"""One page of memory that the worker writes and its sidecar reads, without a lock.

1. Every field is an aligned 8-byte number, stored and loaded in one piece. Fields may be of slightly different ages.
2. Only the worker's loop writes. That `loop_tick` grows is the proof that the loop is alive.
"""

from __future__ import annotations

import ctypes
import mmap


class Page(ctypes.Structure):
    loop_tick: float
    """When the loop last ran, on the monotonic clock."""
    doom_at: float
    """When the sidecar has to end a worker whose loop no longer can; 0 for never."""
    in_flight: int
    done: int
    phase: int
    """An index into `PHASES`."""
    parted: int
    """1 once the worker has said goodbye itself."""

    _fields_ = (
        ("loop_tick", ctypes.c_double),
        ("doom_at", ctypes.c_double),
        ("in_flight", ctypes.c_int64),
        ("done", ctypes.c_int64),
        ("phase", ctypes.c_int64),
        ("parted", ctypes.c_int64),
    )


def shared_page() -> Page:
    """A page that children made by `os.fork` share with us."""
    return Page.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
