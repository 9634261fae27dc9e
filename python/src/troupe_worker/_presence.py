"""What a worker says about itself: hello, beat, goodbye. Pure, apart from reading facts of this process.

1. Always JSON, so that operators can read along.
2. `lock` is a hash of every installed distribution and its version: equal locks mean equal packages.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ._app import Function

BEAT_EVERY_S: Final = 0.5
PHASES: Final = ("starting", "running", "draining")


@dataclass(frozen=True)
class Identity:
    pool: str
    worker: str
    nonce: str
    slots: int
    pid: int
    started_at_ms: int

    @staticmethod
    def of_this_process(pool: str, worker: str, nonce: str, slots: int) -> Identity:
        return Identity(pool, worker, nonce, slots, os.getpid(), int(time.time() * 1_000))

    def _head(self, kind: str) -> dict[str, Any]:
        return {"v": 1, "kind": kind, "pool": self.pool, "worker": self.worker, "nonce": self.nonce}

    def hello(self, functions: Iterable[Function]) -> dict[str, Any]:
        packages = installed_packages()
        return {
            **self._head("hello"),
            "protocol": 1,
            "pid": self.pid,
            "startedAt": self.started_at_ms,
            "host": socket.gethostname(),
            "python": platform.python_version(),
            "packages": packages,
            "lock": lock_of(packages),
            "functions": [{"name": function.name, "doc": function.doc} for function in functions],
            "slots": self.slots,
        }

    def beat(self, *, state: str, loop_age_s: float, rss_bytes: int, in_flight: int, done: int) -> dict[str, Any]:
        return {
            **self._head("beat"),
            "pid": self.pid,
            "state": state,
            "loopAgeMs": round(1_000 * max(0.0, loop_age_s)),
            "rssBytes": rss_bytes,
            "inFlight": in_flight,
            "done": done,
            "slots": self.slots,
        }

    def goodbye(self, reason: str) -> dict[str, Any]:
        return {**self._head("goodbye"), "reason": reason}


def installed_packages() -> dict[str, str]:
    found = ((dist.metadata["Name"], dist.version) for dist in importlib.metadata.distributions())
    return dict(sorted((name, version) for name, version in found if name))


def lock_of(packages: Mapping[str, str]) -> str:
    lines = "\n".join(f"{name.lower().replace('_', '-')}=={version}" for name, version in sorted(packages.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
