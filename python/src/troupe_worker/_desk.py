"""Takes calls, runs them, answers each exactly once. Knows nothing of NATS.

1. A call is started only if a slot is free; a slot is free again when its function has ended, not when it has answered.
2. A call that is stopped (deadline, cancel, lost service) is answered within `_SETTLE_S`. Its function has `GRACE_S` to
   end.
3. If it does not, the worker is spoilt: it takes no more work and `on_spoilt` is called.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ._app import App, Function
from ._bus import Bus
from ._call import Call
from ._errors import Failure, InvalidArguments, failure_of
from ._messages import Answer, CallRequest, encode_answer, transcode
from ._runner import Outcome, Raised, Returned, start
from ._table import CallTable, Kept, Reply, Running

GRACE_S: Final = 1.0
_SETTLE_S: Final = 0.05


@dataclass
class Counters:
    requests: int = 0
    errors: int = 0
    last_error: str = ""
    processing_ns: int = 0


class Desk:
    def __init__(
        self,
        app: App,
        worker: str,
        slots: int,
        *,
        bus: Bus,
        max_bytes: Callable[[], int],
        on_change: Callable[[], None],
        on_spoilt: Callable[[str], None],
    ) -> None:
        self.open = False
        """Whether new calls are taken."""
        self.done = 0
        self.counters = Counters()
        self._app, self._worker, self._slots, self._bus = app, worker, slots, bus
        self._max_bytes, self._on_change, self._on_spoilt = max_bytes, on_change, on_spoilt
        self._table = CallTable()
        self._busy: dict[Call, asyncio.Task[None]] = {}

    @property
    def in_flight(self) -> int:
        return len(self._busy)

    def doom_at(self) -> float:
        """The earliest time by which a function must have ended, on the monotonic clock; 0 if there is none."""
        return min((call.deadline + GRACE_S for call in self._busy if call.deadline is not None), default=0.0)

    def take(self, request: CallRequest, reply: Reply) -> None:
        known = self._table.find(request.id, time.monotonic())
        if isinstance(known, Running):
            known.replies.append(reply)
        elif isinstance(known, Kept):
            reply(known.body)
        else:
            self._admit(request, reply)

    def refuse(self, id: str, failure: Failure, reply: Reply) -> None:
        """Answers without starting anything; such an answer is not kept."""
        self._count(failure, 0)
        answer = Answer(id, self._worker, 0.0, failure=failure)
        reply(lambda form: encode_answer(answer, form, self._max_bytes()))

    def cancel(self, id: str, reason: str) -> bool:
        known = self._table.find(id, time.monotonic())
        if not isinstance(known, Running):
            return False
        known.call.stop("Cancelled", reason)
        return True

    def cancel_all(self, reason: str) -> None:
        for call in self._table.running():
            call.stop("Cancelled", reason)

    async def idle(self) -> None:
        """Returns when every call has ended or has spoilt the worker."""
        while unfinished := [task for task in self._busy.values() if not task.done()]:
            await asyncio.wait(unfinished)

    def _admit(self, request: CallRequest, reply: Reply) -> None:
        function = self._app.get(request.fn)
        if function is None:
            names = ", ".join(sorted(known.name for known in self._app))
            self.refuse(
                request.id, Failure("UnknownFunction", f"no function '{request.fn}'; there are: {names}"), reply
            )
        elif not self.open or len(self._busy) >= self._slots:
            why = f"all {self._slots} slots are taken" if self.open else "the worker takes no calls now"
            self.refuse(request.id, Failure("Busy", f"worker '{self._worker}': {why}"), reply)
        else:
            try:
                args = function.check(request.args)
            except InvalidArguments as error:
                self.refuse(request.id, failure_of(error), reply)
                return
            call = Call(request.id, request.fn, deadline_s=request.deadline_s, cause=request.cause, bus=self._bus)
            self._table.begin(call, reply)
            self._busy[call] = asyncio.create_task(self._serve(function, args, call))
            self._on_change()

    async def _serve(self, function: Function, args: dict[str, Any], call: Call) -> None:
        began_ns = time.perf_counter_ns()
        outcome = start(function, args, call)
        await self._ended_or_stopped(outcome, call)
        wall_ns = time.perf_counter_ns() - began_ns
        if outcome.done():
            self._free(call)  # first, so that the caller's next call finds the slot free
            self._answer(call, outcome.result(), wall_ns)
            return
        self._answer(call, None, wall_ns)
        await asyncio.wait([outcome], timeout=GRACE_S)
        if outcome.done():
            self._free(call)
        else:
            self.open = False
            self._on_spoilt(f"{call.fn} did not stop within {GRACE_S:g} s of the end of call '{call.id}'")

    def _free(self, call: Call) -> None:
        del self._busy[call]
        self.done += 1
        self._on_change()

    async def _ended_or_stopped(self, outcome: asyncio.Future[Outcome], call: Call) -> None:
        loop = asyncio.get_running_loop()
        stopped: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not stopped.done():
                stopped.set_result(None)

        with call.on_stop(lambda _: loop.call_soon_threadsafe(wake)):
            await asyncio.wait([outcome, stopped], timeout=call.remaining_s(), return_when=asyncio.FIRST_COMPLETED)
        if not outcome.done():
            call.stop("Timeout", call.timeout_message)
            # Most functions end at once now, and then the answer has all of their spans and leaves no slot taken.
            await asyncio.wait([outcome], timeout=_SETTLE_S)

    def _answer(self, call: Call, outcome: Outcome | None, wall_ns: int) -> None:
        failure = _failure(call, outcome)
        value = outcome.value if failure is None and isinstance(outcome, Returned) else None
        spans, dropped = call.spans.to_wire()
        answer = Answer(call.id, self._worker, round(wall_ns / 1e6, 3), value, failure, spans, dropped)
        # Encoded now: the function may go on changing what it returned, and the kept answer must not change with it.
        limit = self._max_bytes()
        body = encode_answer(answer, "msgpack", limit)
        self._count(failure, wall_ns)
        in_format = partial(transcode, body, max_bytes=limit)
        for reply in self._table.finish(call.id, in_format, len(body), time.monotonic()):
            reply(in_format)

    def _count(self, failure: Failure | None, wall_ns: int) -> None:
        self.counters.requests += 1
        self.counters.processing_ns += wall_ns
        if failure is not None:
            self.counters.errors += 1
            self.counters.last_error = f"{failure.code}: {failure.message}"


def _failure(call: Call, outcome: Outcome | None) -> Failure | None:
    if call.stopped is not None:  # also when the function has swallowed the stop and returned something
        return Failure(call.stopped.code, str(call.stopped))
    return failure_of(outcome.error) if isinstance(outcome, Raised) else None
