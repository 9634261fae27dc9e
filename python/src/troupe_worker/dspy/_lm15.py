"""The one place that touches DSPy's private model types. A test pins what is used; the dependency is pinned below 3.5.

Requests, responses and stream events travel in lm15's own serialized form, so every field a provider knows survives.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dspy._vendor.lm15 import errors, serde
from dspy.lm15 import Request, Response

PREFIX: Final = "troupe/"
"""DSPy wants `provider/model`; the wire carries the model alone."""

StreamEvent = Any
_ERROR_FIELDS: Final = ("provider", "provider_code", "status", "request_id", "retry_after")


def request_to_wire(request: Request) -> dict[str, Any]:
    wire = serde.request_to_dict(request)
    return {**wire, "model": request.model.removeprefix(PREFIX)}


def response_from_wire(wire: Mapping[str, Any]) -> Response:
    return serde.response_from_dict(dict(wire))


def event_from_wire(wire: Mapping[str, Any]) -> StreamEvent:
    return serde.stream_event_from_dict(dict(wire))


def error_from_wire(frame: Mapping[str, Any]) -> Exception:
    """The lm15 error of an `err` frame; DSPy turns it into its own."""
    kind = errors.error_class_for_code(str(frame.get("code")))
    fields = {name: frame[name] for name in _ERROR_FIELDS if frame.get(name) is not None}
    return kind(str(frame.get("message", "")), **fields)
