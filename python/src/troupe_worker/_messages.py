"""The bodies of requests and answers: parsed at the edge, plain dataclasses inside. No I/O.

1. Unknown fields are ignored; a higher major version is refused before anything else is looked at.
2. A request that cannot be read still gets an answer, with as much of its id as could be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ._codec import Format, MalformedBody, NotPlainData, decode, encode
from ._errors import Failure

VERSION: Final = 1


class Refused(Exception):
    """A request that is answered without being tried."""

    def __init__(self, failure: Failure, id: str = "") -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.id = id


@dataclass(frozen=True)
class CallRequest:
    id: str
    fn: str
    args: Mapping[str, Any]
    deadline_s: float | None = None
    cause: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class CancelRequest:
    id: str
    reason: str


def parse_call(body: bytes, form: Format) -> CallRequest:
    raw = _parse(body, form)
    id, fn, args = raw.get("id"), raw.get("fn"), raw.get("args", {})
    deadline_ms, cause = raw.get("deadlineMs"), raw.get("cause")
    if not isinstance(id, str) or not id:
        raise _invalid("'id' must be a non-empty text")
    if not isinstance(fn, str):
        raise _invalid("'fn' must be a text", id)
    if not isinstance(args, dict) or not all(isinstance(name, str) for name in args):  # pyright: ignore[reportUnknownVariableType]
        raise _invalid("'args' must be a map of names", id)
    if deadline_ms is not None and (isinstance(deadline_ms, bool) or not isinstance(deadline_ms, int | float)):
        raise _invalid("'deadlineMs' must be a number", id)
    return CallRequest(
        id,
        fn,
        args,  # pyright: ignore[reportUnknownArgumentType]
        None if deadline_ms is None else max(0.0, deadline_ms / 1_000),
        cause if isinstance(cause, dict) else {},  # pyright: ignore[reportUnknownArgumentType]
    )


def parse_cancel(body: bytes, form: Format) -> CancelRequest:
    raw = _parse(body, form)
    id, reason = raw.get("id"), raw.get("reason")
    if not isinstance(id, str) or not id:
        raise _invalid("'id' must be a non-empty text")
    return CancelRequest(id, reason if isinstance(reason, str) and reason else "cancelled by the caller")


def _parse(body: bytes, form: Format) -> dict[str, Any]:
    try:
        raw = decode(body, form)
    except MalformedBody as error:
        raise _invalid(str(error)) from error
    version = raw.get("v", VERSION)
    if not isinstance(version, int) or version > VERSION:
        id = raw.get("id")
        message = f"this worker speaks version {VERSION} of the protocol, not {version}"
        raise Refused(Failure("UnsupportedVersion", message), id if isinstance(id, str) else "")
    return raw


def _invalid(message: str, id: str = "") -> Refused:
    return Refused(Failure("InvalidArguments", message), id)


@dataclass(frozen=True)
class Answer:
    """The one answer of a call."""

    id: str
    worker: str
    wall_ms: float
    value: object = None
    failure: Failure | None = None
    spans: Sequence[Mapping[str, Any]] = ()
    dropped: int = 0

    def to_wire(self) -> dict[str, Any]:
        result = (
            {"ok": True, "value": self.value}
            if self.failure is None
            else {"ok": False, "error": self.failure.to_wire()}
        )
        wire: dict[str, Any] = {"v": VERSION, "id": self.id, **result, "worker": self.worker, "wallMs": self.wall_ms}
        if self.spans:
            wire["spans"] = list(self.spans)
        if self.dropped:
            wire["dropped"] = self.dropped
        return wire

    def without_spans(self) -> Answer:
        return Answer(self.id, self.worker, self.wall_ms, self.value, self.failure, (), self.dropped + len(self.spans))

    def failed(self, failure: Failure) -> Answer:
        return Answer(self.id, self.worker, self.wall_ms, None, failure, self.spans, self.dropped)


def encode_answer(answer: Answer, form: Format, max_bytes: int) -> bytes:
    """The answer as bytes that fit into one message: a value is worth more than spans, an error more than silence."""
    try:
        body = encode(answer.to_wire(), form)
        if len(body) > max_bytes:
            body = encode(answer.without_spans().to_wire(), form)
    except NotPlainData as error:
        return encode_answer(answer.failed(Failure("ResultNotSerializable", str(error))), form, max_bytes)
    if len(body) <= max_bytes:
        return body
    message = f"the answer has {len(body)} bytes; {max_bytes} fit into a message"
    return encode(answer.without_spans().failed(Failure("ResultNotSerializable", message)).to_wire(), form)


def transcode(body: bytes, form: Format, *, max_bytes: int) -> bytes:
    """A kept msgpack answer in the format another caller asked for."""
    if form == "msgpack":
        return body
    wire = decode(body, "msgpack")
    try:
        other = encode(wire, form)
        if len(other) <= max_bytes:
            return other
        why = f"the answer has {len(other)} bytes as {form}; {max_bytes} fit into a message"
    except NotPlainData as error:
        why = str(error)
    kept = {name: field for name, field in wire.items() if name not in ("value", "spans", "dropped")}
    return encode({**kept, "ok": False, "error": Failure("ResultNotSerializable", why).to_wire()}, form)
