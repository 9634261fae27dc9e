"""DSPy's engine interface over the bus: `complete` and `stream`, for threads and for coroutines.

1. What a frame, or its absence, means is decided in `_Talk`, without I/O; the two engines only wait and send.
2. The service beats while it works. `SILENCE_S` without a frame, or nobody there, and the request is sent again under
   the same id, which costs no second provider call. After `GRACE_S` of that the whole call stops with `LlmUnavailable`.
3. Events of a stream are numbered: what came before is dropped, and what is missing is asked for again. All of
   them are of one answer.
4. Errors of a single model call are ordinary exceptions of DSPy. The end of the call is `CallStopped`, which optimizers
   cannot swallow.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, Final

from dspy.lm15 import Request, Response

from .._bus import Frame
from ._job import ModelCall, current_job
from ._lm15 import StreamEvent, error_from_wire, event_from_wire, response_from_wire

SILENCE_S: Final = 1.5
GRACE_S: Final = 2.0
_RESEND_S: Final = 0.1
_SECOND_S: Final = 1.0


@dataclass(frozen=True)
class _Event:
    event: StreamEvent


@dataclass(frozen=True)
class _Done:
    response: Response


@dataclass(frozen=True)
class _Resend:
    after_s: float


_Step = _Event | _Done | _Resend | None


class _Talk:
    """The state of one model call: what to do next."""

    def __init__(self, model_call: ModelCall, now: Callable[[], float] = time.monotonic) -> None:
        self._call, self._job, self._now = model_call, model_call.job, now
        self._alone_since: float | None = None
        self._nobody = False
        self._stream: str | None = None
        self._expected = 0
        self._ended = False
        self._asked_at = -_SECOND_S

    def wait_s(self) -> float:
        """How long to wait for the next frame."""
        limit = SILENCE_S if self._alone_since is None else max(0.0, self._alone_since + GRACE_S - self._now())
        remaining = self._job.call.remaining_s()
        return min(SILENCE_S, limit) if remaining is None else min(SILENCE_S, limit, remaining)

    def take(self, frame: Frame | None) -> _Step:
        """One frame, or None for silence."""
        self._job.call.check()
        kind = "silence" if frame is None else frame.get("t")
        if frame is None or kind == "nobody":
            self._nobody = self._nobody or kind == "nobody"
            return self._alone()
        self._alone_since, self._nobody = None, False
        if kind == "ok":
            if self._stream is not None:
                self._same(frame)
                if not self._ended:
                    return self._again()
            self._call.settled = True
            self._job.count(frame["res"].get("usage") or {})
            return _Done(response_from_wire(frame["res"]))
        if kind == "err":
            self._call.settled = True
            self._fail(frame)
        if kind == "ev":
            return self._event(frame)
        return None  # a heartbeat, a wake-up that came too late, or a kind of a later version

    def _event(self, frame: Frame) -> _Step:
        self._same(frame)
        if frame["n"] > self._expected:
            return self._again()
        if frame["n"] < self._expected:
            return None
        self._expected += 1
        self._ended = frame["e"]["type"] == "end"
        return _Event(event_from_wire(frame["e"]))

    def _same(self, frame: Frame) -> None:
        """Two answers to one call may differ, and what was given of the first cannot be taken back."""
        self._stream = frame["s"] if self._stream is None else self._stream
        if frame.get("s") != self._stream:
            self._stop("the model service went away in the middle of a stream, and another one began a new answer")

    def _again(self) -> _Resend | None:
        """One was lost. What comes until the answer to this is behind the gap too, and no reason to ask once more."""
        now = self._now()
        if now - self._asked_at < _SECOND_S:
            return None
        self._asked_at = now
        return _Resend(0.0)

    def _alone(self) -> _Resend:
        now = self._now()
        self._alone_since = now if self._alone_since is None else self._alone_since
        if now - self._alone_since >= GRACE_S:
            reason = "nobody serves model calls" if self._nobody else "the model service fell silent"
            self._stop(f"{reason} (for more than {GRACE_S:g} s)")
        return _Resend(_RESEND_S)

    def _stop(self, message: str) -> None:
        self._job.call.stop("LlmUnavailable", message)
        self._job.call.check()

    def _fail(self, frame: Frame) -> None:
        if frame.get("code") == "cancelled":
            self._job.call.stop("Cancelled", str(frame.get("message") or "the model service has cancelled the job"))
            self._job.call.check()
        raise error_from_wire(frame)


class BusEngine:
    """For code in threads."""

    supports_function_calling: Final = True
    """What DSPy asks before it hands tools to the model itself. A model that knows none refuses them."""

    def complete(self, request: Request) -> Response:
        with closing(_exchange(request, stream=False)) as steps:
            return _response_among(steps)

    def stream(self, request: Request) -> Iterator[StreamEvent]:
        with closing(_exchange(request, stream=True)) as steps:
            for step in steps:
                if isinstance(step, _Event):
                    yield step.event

    def close(self) -> None:
        """Nothing is held: the connection is the worker's."""

    def dump_state(self) -> dict[str, Any]:
        return {}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> BusEngine:
        return cls()


class AsyncBusEngine:
    """For coroutines, on the worker's loop or another one."""

    supports_function_calling: Final = True

    async def complete(self, request: Request) -> Response:
        async with aclosing(_async_exchange(request, stream=False)) as steps:
            return _response_among([step async for step in steps])

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        async with aclosing(_async_exchange(request, stream=True)) as steps:
            async for step in steps:
                if isinstance(step, _Event):
                    yield step.event

    async def aclose(self) -> None:
        """Nothing is held: the connection is the worker's."""

    def dump_state(self) -> dict[str, Any]:
        return {}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> AsyncBusEngine:
        return cls()


def _exchange(request: Request, *, stream: bool) -> Generator[_Event | _Done]:
    job = current_job()
    if job.bus.is_loop_thread():
        raise RuntimeError("a synchronous model call on the worker's event loop would wait for itself: use acall()")
    with job.ask(request, stream=stream, notify=None) as model_call:
        talk = _Talk(model_call)
        model_call.exchange.send()
        while not model_call.settled:
            try:
                frame = model_call.exchange.frames.get(timeout=talk.wait_s())
            except queue.Empty:
                frame = None
            step = talk.take(frame)
            if isinstance(step, _Resend):
                time.sleep(step.after_s)
                model_call.exchange.send()
            elif step is not None:
                yield step


async def _async_exchange(request: Request, *, stream: bool) -> AsyncGenerator[_Event | _Done]:
    here, bell = asyncio.get_running_loop(), asyncio.Event()
    with current_job().ask(
        request, stream=stream, notify=lambda: _ignore(here.call_soon_threadsafe(bell.set))
    ) as model_call:
        talk = _Talk(model_call)
        model_call.exchange.send()
        while not model_call.settled:
            step = talk.take(await _next_frame(model_call, bell, talk.wait_s()))
            if isinstance(step, _Resend):
                await asyncio.sleep(step.after_s)
                model_call.exchange.send()
            elif step is not None:
                yield step


async def _next_frame(model_call: ModelCall, bell: asyncio.Event, within_s: float) -> Frame | None:
    give_up = time.monotonic() + within_s
    while True:
        bell.clear()
        try:
            return model_call.exchange.frames.get_nowait()
        except queue.Empty:
            try:
                await asyncio.wait_for(bell.wait(), max(0.0, give_up - time.monotonic()))
            except asyncio.TimeoutError:
                return None


def _response_among(steps: Generator[_Event | _Done] | list[_Event | _Done]) -> Response:
    return next(step.response for step in steps if isinstance(step, _Done))


def _ignore(_: object) -> None:
    """A callback's result nobody wants."""
