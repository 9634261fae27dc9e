"""The files in `test/golden` that both languages read: the table of error codes, and frames byte by byte.

What a worker sends is made here and compared with the file; what it receives is read from the file.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast, get_args

import pytest
from dspy._vendor.lm15.types import FunctionTool, TextPart, ToolCallPart, ToolChoice, ToolResultPart
from dspy.lm15 import Config, Message, RateLimitError, Request

import troupe_worker._errors
from troupe_worker._bus import Bus
from troupe_worker._call import Call
from troupe_worker._codec import Format, decode, encode
from troupe_worker._errors import CallStopped, Code, Failure, StopCode
from troupe_worker._messages import Answer, encode_answer, parse_call, parse_cancel
from troupe_worker._presence import Identity
from troupe_worker._subjects import Subjects
from troupe_worker.dspy import Job
from troupe_worker.dspy._lm15 import error_from_wire, event_from_wire, request_to_wire, response_from_wire

Wire = dict[str, Any]
GOLDEN: Final = Path(__file__).parents[2] / "test" / "golden"
ERRORS: Final[list[Wire]] = json.loads((GOLDEN / "errors.json").read_text())["errors"]
FRAMES: Final[dict[str, Wire]] = {
    frame["name"]: frame for frame in json.loads((GOLDEN / "frames.json").read_text())["frames"]
}
MAX_BYTES: Final = 1_000_000


def test_the_codes_of_this_worker_are_those_of_the_table() -> None:
    expected = [(row["code"], row["retryable"], row["applied"]) for row in ERRORS if row["python"]]
    wires = [Failure(code, "").to_wire() for code in get_args(Code)]
    assert sorted((wire["code"], wire["retryable"], wire["applied"]) for wire in wires) == sorted(expected)
    assert set(get_args(StopCode)) <= set(get_args(Code))


def test_the_list_at_the_top_of_the_errors_is_complete() -> None:
    assert troupe_worker._errors.__doc__ is not None
    drawn = [line for line in troupe_worker._errors.__doc__.splitlines() if line.startswith("        ")]
    assert sorted(re.findall(r"\w+", " ".join(drawn))) == sorted(get_args(Code))


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_is_read_as_its_view(name: str) -> None:
    assert _view(decode(*_body(name))) == FRAMES[name]["json"]


SPAN: Final = {
    "id": 1,
    "parent": None,
    "kind": "lm",
    "name": "LM",
    "startMs": 0.5,
    "endMs": 20.25,
    "status": "ok",
    "data": {"model": "m", "llmCall": "e-1-0a-1"},
}
RAISED: Final = {
    "class": "ValueError",
    "bases": ["Exception", "BaseException"],
    "traceback": "…",
    "causes": [{"class": "KeyError", "message": "'missing'"}],
}
VALUE: Final = {"vectors": [[0.5, -1.0]], "count": 1_700_000_000_000, "raw": b"\x00\xff"}
WORKER: Final = "general-1-0a1b"
BUSY: Final = Failure("Busy", f"worker '{WORKER}': all slots are taken")
IDENTITY: Final = Identity("general", WORKER, "00ff", 2, 4_711, 1_764_057_600_000)


class _Exchange:
    def put(self, _frame: Wire) -> None: ...

    def close(self) -> None: ...


class _Written:
    """A bus that keeps what would be sent."""

    subjects = Subjects("test", "general", WORKER)

    def __init__(self) -> None:
        self.bodies: list[Wire] = []

    def open(self, _subject: str, body: Wire, _notify: object) -> _Exchange:
        self.bodies.append(body)
        return _Exchange()

    def tell(self, _subject: str, body: Wire) -> None:
        self.bodies.append(body)


def _model_call() -> list[bytes]:
    """The request of a model call, then what is sent when its job is cancelled."""
    bus = _Written()
    request = Request(
        model="troupe/m",
        system="Be brief.",
        messages=(Message.user("Capital of France?"),),
        config=Config(temperature=0.5),
    )
    job = Job(Call("e-1", "embed"), cast(Bus, bus))
    with job.ask(request, stream=False, notify=None):
        job.stop(CallStopped("Cancelled", "enough"))
    return [encode(body, "msgpack") for body in bus.bodies]


def _tool_call() -> bytes:
    """A model call after a tool has answered. Its id is made up: the one of a worker hashes its job and its request."""
    weather = FunctionTool(
        name="weather",
        description="Now, at a place.",
        parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    )
    request = Request(
        model="troupe/m",
        messages=(
            Message.user("How warm is it in Paris?"),
            Message(role="assistant", parts=(ToolCallPart(id="c1", name="weather", input={"city": "Paris"}),)),
            Message(role="tool", parts=(ToolResultPart(id="c1", content=(TextPart("21 degrees"),)),)),
        ),
        tools=(weather,),
        config=Config(tool_choice=ToolChoice(mode="auto")),
    )
    call = {"v": 1, "id": "e-1-0a-1", "job": "e-1", "parent": None, "stream": False, "deadlineMs": None}
    return encode({**call, "req": request_to_wire(request)}, "msgpack")


MADE: Final[dict[str, Callable[[], bytes]]] = {
    "result": lambda: encode_answer(Answer("e-1", WORKER, 20.5, VALUE, None, [SPAN]), "msgpack", MAX_BYTES),
    "result as JSON": lambda: encode_answer(Answer("by-hand", WORKER, 1.0), "json", MAX_BYTES),
    "failure": lambda: encode_answer(
        Answer("e-1", WORKER, 3.0, None, Failure("PythonError", "no such row", RAISED), (), 2), "msgpack", MAX_BYTES
    ),
    "busy": lambda: encode_answer(Answer("e-1", WORKER, 0.0, None, BUSY), "msgpack", MAX_BYTES),
    "beat": lambda: encode(
        IDENTITY.beat(state="running", loop_age_s=0.004, rss_bytes=104_857_600, in_flight=1, done=41), "json"
    ),
    "goodbye": lambda: encode(IDENTITY.goodbye("asked to stop"), "json"),
    "llm request": lambda: _model_call()[0],
    "llm tool request": _tool_call,
    "llm cancel": lambda: _model_call()[1],
}


@pytest.mark.parametrize("name", MADE)
def test_what_a_worker_sends_is_the_frame_byte_by_byte(name: str) -> None:
    assert MADE[name]().hex() == FRAMES[name]["hex"]


def test_a_hello_has_the_fields_of_the_frame() -> None:
    golden, ours = FRAMES["hello"]["json"], IDENTITY.hello([])
    assert list(ours) == list(golden)
    assert {name: type(value) for name, value in ours.items()} == {name: type(value) for name, value in golden.items()}
    same = ("v", "kind", "pool", "worker", "nonce", "protocol", "pid", "startedAt", "slots")
    assert {name: ours[name] for name in same} == {name: golden[name] for name in same}


def test_a_call_is_read_with_the_types_it_was_sent_with() -> None:
    call = parse_call(*_body("call"))
    assert (call.id, call.fn, call.deadline_s) == ("e-1", "embed", 1.0)
    assert call.cause == {"correlation": "c-1", "causation": "order/7#3:12"}
    types = {name: type(value) for name, value in call.args.items()}
    assert types == {
        "text": str,
        "whole": int,
        "negative": int,
        "wide": int,
        "real": float,
        "nothing": type(None),
        "yes": bool,
        "list": list,
        "bytes": bytes,
        "nested": dict,
    }
    by_hand = parse_call(*_body("call by hand"))
    assert (by_hand.id, by_hand.fn, by_hand.deadline_s, by_hand.args) == ("by-hand", "embed", None, {})


def test_a_cancel_is_read() -> None:
    cancel = parse_cancel(*_body("cancel"))
    assert (cancel.id, cancel.reason) == ("e-1", "the caller no longer waits")


def test_the_frames_of_a_model_call_are_read() -> None:
    response = response_from_wire(FRAMES["llm answer"]["json"]["res"])
    assert (response.text, response.finish_reason, response.usage.total_tokens) == ("Paris", "stop", 15)
    events = [event_from_wire(FRAMES[f"llm event {part}"]["json"]["e"]) for part in ("start", "delta", "end")]
    assert [event.type for event in events] == ["start", "delta", "end"]
    delta = event_from_wire(FRAMES["llm event tool call"]["json"]["e"]).delta
    assert (delta.name, delta.input) == ("weather", '{"city":"Paris"}')
    calling = response_from_wire(FRAMES["llm tool answer"]["json"]["res"])
    assert (calling.finish_reason, calling.usage.cache_read_tokens) == ("tool_call", 8)
    assert [(call.id, call.name, call.input) for call in calling.tool_calls] == [("c1", "weather", {"city": "Paris"})]
    error = error_from_wire(FRAMES["llm error"]["json"])
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, error.status) == (1.5, 429)


def _body(name: str) -> tuple[bytes, Format]:
    frame = FRAMES[name]
    return bytes.fromhex(frame["hex"]), frame["format"]


def _view(value: Any) -> Any:
    """As the files show values: bytes as `{"$bytes": base64}`."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: _view(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_view(item) for item in value]
    return value
