"""Calls by id: a repeated id re-attaches to the running call or gets the kept answer. Pure, with the time passed in.

1. An id is started at most once while it runs and for `KEEP_S` after it answered.
2. Memory is bounded: the oldest answers go first when there are too many or they are too big together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ._call import Call
from ._codec import Format

KEEP_S: Final = 60.0
_KEPT_ANSWERS: Final = 1_000
_KEPT_BYTES: Final = 32 * 1024 * 1024

Reply = Callable[[Callable[[Format], bytes]], None]
"""Sends one answer to one caller, encoded in the format that caller asked for."""


@dataclass
class Running:
    call: Call
    replies: list[Reply] = field(default_factory=list[Reply])


@dataclass(frozen=True)
class Kept:
    body: Callable[[Format], bytes]
    size_bytes: int
    until: float


class CallTable:
    def __init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._kept_bytes = 0

    def find(self, id: str, now: float) -> Running | Kept | None:
        self._forget(now)
        return self._running.get(id) or self._kept.get(id)

    def begin(self, call: Call, reply: Reply) -> None:
        self._running[call.id] = Running(call, [reply])

    def finish(self, id: str, body: Callable[[Format], bytes], size_bytes: int, now: float) -> list[Reply]:
        """Keeps the answer; returns who waits for it."""
        self._kept[id] = Kept(body, size_bytes, now + KEEP_S)
        self._kept_bytes += size_bytes
        self._forget(now)
        return self._running.pop(id).replies

    def running(self) -> list[Call]:
        return [entry.call for entry in self._running.values()]

    def _forget(self, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.until > now and len(self._kept) <= _KEPT_ANSWERS and self._kept_bytes <= _KEPT_BYTES:
                return
            self._kept.popitem(last=False)
            self._kept_bytes -= oldest.size_bytes
