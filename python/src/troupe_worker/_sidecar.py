"""A small forked process that speaks for the worker when the worker cannot.

A Python thread starves for seconds while C code holds the interpreter lock; a process does not. It beats over its own
socket, tells the death of the worker to everybody, and ends a worker that has lost its parent or is held past a
deadline.

1. Forked before any thread, loop or heavy import exists.
2. It outlives the worker only to say goodbye for it: the pipe whose write end the worker holds ends with the worker.
3. It touches nothing of the worker but the shared page, `/proc/<pid>` and SIGKILL.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ._codec import encode
from ._page import Page
from ._presence import BEAT_EVERY_S, PHASES, Identity
from ._raw_nats import Credentials, RawNats

_POKED_EVERY_S: Final = 0.02  # a burst of short calls is one extra beat, not hundreds
_CONNECT_TIMEOUT_S: Final = 2.0
_RETRY_S: Final = 0.25
_HELD_S: Final = 0.5  # what the worker's own loop gets to end a call before we end the worker


@dataclass(frozen=True)
class Sidecar:
    """The worker's end."""

    pid: int
    _poke: int

    def poke(self) -> None:
        """Asks for a beat now."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # a full pipe is poke enough
            os.write(self._poke, b"!")


def start_sidecar(
    page: Page,
    identity: Identity,
    subject: str,
    urls: Sequence[str],
    credentials: Credentials | None,
    stdin: int | None,
) -> Sidecar:
    """Forks. `stdin` is the descriptor whose end means that the worker's parent is gone."""
    pokes, poke = os.pipe()
    os.set_blocking(poke, False)
    pid = os.fork()
    if pid:
        os.close(pokes)
        if stdin is not None:
            os.close(stdin)
        return Sidecar(pid, poke)
    try:
        os.close(poke)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # they are meant for the worker
            signal.signal(number, signal.SIG_IGN)
        gc.disable()
        _Heart(page, identity, subject, urls, credentials, pokes, stdin).run()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


class _Heart:
    def __init__(
        self,
        page: Page,
        identity: Identity,
        subject: str,
        urls: Sequence[str],
        credentials: Credentials | None,
        pokes: int,
        stdin: int | None,
    ) -> None:
        self._page, self._identity, self._subject = page, identity, subject
        self._urls, self._credentials = itertools.cycle(urls), credentials
        self._pokes, self._stdin = pokes, stdin
        self._nats: RawNats | None = None
        self._connect_at = self._beat_at = self._beaten_at = 0.0

    def run(self) -> None:
        reason = None
        while reason is None:
            self._connect()
            self._beat_if_due()
            reason = self._wait()
        if not self._page.parted:
            self._publish(self._identity.goodbye(reason))
            self._attempt(RawNats.flush)
        self._kill()

    def _wait(self) -> str | None:
        """Sleeps until something happens; returns why the worker is over, if it is."""
        watched: list[int | RawNats] = [self._pokes]
        watched += [it for it in (self._stdin, self._nats) if it is not None]
        due = self._beat_at if self._nats is not None else self._connect_at
        ready, _, _ = select.select(watched, [], [], max(0.0, min(due - time.monotonic(), BEAT_EVERY_S)))
        if self._pokes in ready:
            if not os.read(self._pokes, 4_096):
                return "the process ended without a word"
            self._beat_at = min(self._beat_at, self._beaten_at + _POKED_EVERY_S)
        if self._stdin in ready and not os.read(self._stdin, 4_096):  # pyright: ignore[reportArgumentType]
            return "the parent is gone"
        if self._nats in ready:
            self._attempt(RawNats.receive)
        if os.getppid() != self._identity.pid:
            return "the process ended without a word"
        if 0 < self._page.doom_at < time.monotonic() - _HELD_S:
            return "a call holds the interpreter past its deadline"
        return None

    def _beat_if_due(self) -> None:
        now = time.monotonic()
        if self._nats is None or now < self._beat_at:
            return
        self._beaten_at, self._beat_at = now, now + BEAT_EVERY_S
        page, pid = self._page, self._identity.pid
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it is ending: the pipe will tell
            frozen = process_state(pid) in "Tt"
            self._publish(
                self._identity.beat(
                    state="frozen" if frozen else PHASES[page.phase],
                    loop_age_s=now - page.loop_tick,
                    rss_bytes=resident_bytes(pid),
                    in_flight=page.in_flight,
                    done=page.done,
                )
            )

    def _connect(self) -> None:
        if self._nats is not None or time.monotonic() < self._connect_at:
            return
        try:
            self._nats = RawNats.connect(next(self._urls), self._credentials, timeout_s=_CONNECT_TIMEOUT_S)
            self._beat_at = 0.0
        except OSError:
            self._connect_at = time.monotonic() + _RETRY_S

    def _publish(self, body: dict[str, object]) -> None:
        self._attempt(lambda nats: nats.publish(self._subject, encode(body, "json")))

    def _attempt(self, verb: Callable[[RawNats], None]) -> None:
        if self._nats is None:
            return
        try:
            verb(self._nats)
        except OSError:
            self._nats.close()
            self._nats = None

    def _kill(self) -> None:
        if os.getppid() == self._identity.pid:  # else the pid may be somebody else's by now
            os.kill(self._identity.pid, signal.SIGKILL)


def process_state(pid: int) -> str:
    """One letter: R running, S sleeping, T stopped, Z zombie … (Linux)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
