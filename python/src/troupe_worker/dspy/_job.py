"""One call that uses DSPy: its model calls, its tokens, its trace.

1. A job travels as the DSPy setting `troupe_job`. DSPy carries settings into its own threads; context variables it
   does not.
2. The id of a model call is made of the job, the request and how often it was made before. A call that is run again on
   another worker asks under the same ids, whatever its threads did, and an id never stands for two different requests.
3. When the call stops, every open model call is woken here and aborted at the service. Only a cancelled job is barred
   there: a job that ran out of time or service may be tried again under the same id.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from typing import Any

import dspy
from dspy.lm15 import Request
from dspy.utils.callback import ACTIVE_CALL_ID

from .._bus import WAKE, Bus, Exchange
from .._call import Call, current_call
from .._codec import encode
from .._errors import CallStopped
from ._lm15 import PREFIX, request_to_wire
from ._trace import SpanCallback


class Job:
    def __init__(self, call: Call, bus: Bus) -> None:
        self.call = call
        self.bus = bus
        self._usage = Counter[str](calls=0, promptTokens=0, completionTokens=0)
        self._asked = Counter[str]()
        self._open: dict[str, Exchange] = {}
        self._lock = threading.Lock()

    @property
    def usage(self) -> dict[str, int]:
        """`{calls, promptTokens, completionTokens}` of all model calls that were answered."""
        with self._lock:
            return dict(self._usage)

    @contextlib.contextmanager
    def ask(self, request: Request, *, stream: bool, notify: Callable[[], None] | None) -> Generator[ModelCall]:
        """An open model call that is not yet sent. Left before it is settled, it is aborted at the service."""
        self.call.check()
        wire = request_to_wire(request)
        id = self._id_of(wire)
        remaining_s = self.call.remaining_s()
        body = {
            "v": 1,
            "id": id,
            "job": self.call.id,
            "parent": ACTIVE_CALL_ID.get(),
            "stream": stream,
            "deadlineMs": None if remaining_s is None else round(1_000 * remaining_s),
            "req": wire,
        }
        exchange = self.bus.open(self.bus.subjects.llm("complete"), body, notify)
        self.note({"model": wire["model"], "temperature": request.config.temperature, "llmCall": id})
        with self._lock:
            self._open[id] = exchange
        model_call = ModelCall(self, exchange)
        try:
            yield model_call
        finally:
            with self._lock:
                del self._open[id]
            exchange.close()
            if not model_call.settled and self.call.stopped is None:
                self._abort({"ids": [id]})

    def count(self, usage: Mapping[str, Any]) -> None:
        tokens = {"promptTokens": usage.get("input_tokens") or 0, "completionTokens": usage.get("output_tokens") or 0}
        self.note(tokens)
        with self._lock:
            self._usage.update(calls=1, **tokens)

    def note(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to the span of the model call that is being made."""
        self.call.spans.note(ACTIVE_CALL_ID.get(), {name: fact for name, fact in facts.items() if fact is not None})

    def stop(self, stopped: CallStopped) -> None:
        with self._lock:
            open_now = dict(self._open)
        for exchange in open_now.values():
            exchange.put(WAKE)
        if stopped.code == "Cancelled":
            self._abort({"ids": list(open_now), "job": self.call.id})
        elif open_now:
            self._abort({"ids": list(open_now)})

    def _abort(self, what: Mapping[str, Any]) -> None:
        self.bus.tell(self.bus.subjects.llm("cancel"), {"v": 1, **what})

    def _id_of(self, wire: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(encode(wire, "msgpack")).hexdigest()[:16]
        with self._lock:
            self._asked[digest] += 1
            return f"{self.call.id}-{digest}-{self._asked[digest]}"


class ModelCall:
    """One request to the service and its exchange of frames."""

    def __init__(self, job: Job, exchange: Exchange) -> None:
        self.job = job
        self.exchange = exchange
        self.settled = False


def current_job() -> Job:
    found = dspy.settings.get("troupe_job", None)
    if not isinstance(found, Job):
        raise RuntimeError("a model call outside of a job: wrap the DSPy code of this function in `with job():`")
    return found


@contextlib.contextmanager
def job(model: str = "default") -> Generator[Job]:
    """Runs DSPy code with its model calls on the bus and its trace in the spans of the current call."""
    from ._engine import AsyncBusEngine, BusEngine

    call = current_call()
    if call.bus is None:
        raise RuntimeError("this call has no bus: model calls are made in a worker")
    made = Job(call, call.bus)
    # The service owns retries and the cache; DSPy's own cache would keep answers that could not be parsed.
    lm = dspy.LM(f"{PREFIX}{model}", engine=BusEngine(), async_engine=AsyncBusEngine(), num_retries=0, cache=False)
    settings = {"lm": lm, "troupe_job": made, "callbacks": [SpanCallback(call.spans)], "disable_history": True}
    with call.on_stop(made.stop), dspy.context(**settings):
        try:
            yield made
        except dspy.LMError as error:
            vars(error)["retryable"] = dspy.is_retryable_lm_error(error)  # what the answer of the call says
            raise
