"""One running call, as its function sees it.

1. The first `stop` wins; it may come from any thread and wakes everything that waits through `on_stop`.
2. After a stop the caller already has its answer. What is left to the function is to end: `check` raises `CallStopped`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ._errors import CallStopped, StopCode
from ._spans import Spans

if TYPE_CHECKING:
    from ._bus import Bus

_CURRENT: ContextVar[Call] = ContextVar("troupe_call")


class Call:
    def __init__(
        self,
        id: str,
        fn: str,
        *,
        deadline_s: float | None = None,
        cause: Mapping[str, Any] | None = None,
        bus: Bus | None = None,
    ) -> None:
        self.id = id
        self.fn = fn
        self.cause: Mapping[str, Any] = cause or {}
        self.bus = bus
        self.spans = Spans()
        self.deadline = None if deadline_s is None else time.monotonic() + deadline_s
        """On the monotonic clock; None if the call may take for ever."""
        self._stopped: CallStopped | None = None
        self._wakers: set[Callable[[CallStopped], object]] = set()
        self._lock = threading.Lock()

    @property
    def stopped(self) -> CallStopped | None:
        return self._stopped

    def remaining_s(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Raises `CallStopped` if the call is over. Long loops ask this now and then."""
        if self._stopped is None and self.deadline is not None and time.monotonic() >= self.deadline:
            self.stop("Timeout", self.timeout_message)
        if self._stopped is not None:
            raise CallStopped(self._stopped.code, str(self._stopped))

    def stop(self, code: StopCode, message: str) -> None:
        with self._lock:
            if self._stopped is not None:
                return
            self._stopped = stopped = CallStopped(code, message)
            wakers = list(self._wakers)
        for wake in wakers:
            wake(stopped)

    @contextlib.contextmanager
    def on_stop(self, wake: Callable[[CallStopped], object]) -> Generator[None]:
        """Calls `wake` when the call stops, at once if it has; from the stopping thread, so it must not block."""
        with self._lock:
            stopped = self._stopped
            self._wakers.add(wake)
        try:
            if stopped is not None:
                wake(stopped)
            yield
        finally:
            with self._lock:
                self._wakers.discard(wake)

    @property
    def timeout_message(self) -> str:
        return f"{self.fn}: the deadline of call '{self.id}' has passed"


def current_call() -> Call:
    """The call this code runs in; raises `LookupError` outside of one."""
    return _CURRENT.get()


@contextlib.contextmanager
def running(call: Call) -> Generator[None]:
    """Makes `call` the current one."""
    reset = _CURRENT.set(call)
    try:
        yield
    finally:
        _CURRENT.reset(reset)
