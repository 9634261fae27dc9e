"""Every error a call can answer. The closed set:

    nothing was started (applied "no")
        Busy · UnknownFunction · InvalidArguments · UnsupportedVersion
        SignatureRefused · SignatureDrift
    the function may have had effects (applied "unknown")
        PythonError · Timeout · Cancelled · LlmUnavailable · ResultNotSerializable · ResultRefused

1. Callers decide by `code`, `retryable` and `applied`; the message is for people.
2. A Python exception crosses whole: class, bases, message, traceback and its chain of causes, with secrets masked.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Code = Literal[
    "Busy",
    "UnknownFunction",
    "InvalidArguments",
    "UnsupportedVersion",
    "SignatureRefused",
    "SignatureDrift",
    "PythonError",
    "Timeout",
    "Cancelled",
    "LlmUnavailable",
    "ResultNotSerializable",
    "ResultRefused",
]
StopCode = Literal["Timeout", "Cancelled", "LlmUnavailable"]

_NOT_STARTED: Final = frozenset(
    (
        *("Busy", "UnknownFunction", "InvalidArguments", "UnsupportedVersion"),
        *("SignatureRefused", "SignatureDrift"),
    )
)
_RETRYABLE: Final = frozenset({"Busy", "Timeout", "LlmUnavailable"})
_MESSAGE_CHARS: Final = 2_000
_TRACEBACK_CHARS: Final = 8_000
_FIELD_CHARS: Final = 300
_CAUSES: Final = 16


@dataclass(frozen=True)
class Failure:
    """The error of an answer, as data."""

    code: Code
    message: str
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    retryable: bool | None = None

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "retryable": self.code in _RETRYABLE if self.retryable is None else self.retryable,
            "applied": "no" if self.code in _NOT_STARTED else "unknown",
        }
        if self.details:
            wire["details"] = dict(self.details)
        return wire


class InvalidArguments(ValueError):
    """The arguments do not fit the function. A function may raise it too, before it has had any effect."""

    def __init__(self, message: str, issues: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.issues = issues or []


class SignatureRefused(ValueError):
    """No signature: a spec that cannot be read, or a class that the grammar has no words for."""


class SignatureDrift(ValueError):
    """Caller and program were made from different signatures."""


class ResultRefused(ValueError):
    """The result does not fit the signature."""

    def __init__(self, message: str, issues: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.issues = issues or []


class CallStopped(BaseException):
    """The call is over: cancelled, past its deadline, or without a model service.

    Not an `Exception` on purpose. Optimizers and retry loops swallow exceptions and go on calling.
    """

    def __init__(self, code: StopCode, message: str) -> None:
        super().__init__(message)
        self.code: StopCode = code


_OF_SIGNATURES: Final[tuple[tuple[type[BaseException], Code], ...]] = (
    (SignatureRefused, "SignatureRefused"),
    (SignatureDrift, "SignatureDrift"),
)


def failure_of(error: BaseException) -> Failure:
    """What a function raised, as the error of its answer. An attribute `retryable = True` is passed on."""
    stopped = _find_stop(error)
    if stopped is not None:
        return Failure(stopped.code, str(stopped))
    if isinstance(error, InvalidArguments | ResultRefused):
        code = "InvalidArguments" if isinstance(error, InvalidArguments) else "ResultRefused"
        return Failure(code, str(error), {"issues": error.issues} if error.issues else {})
    for kind, code in _OF_SIGNATURES:
        if isinstance(error, kind):
            return Failure(code, str(error))
    details: dict[str, Any] = {
        "class": _class_path(type(error)),
        "bases": [_class_path(base) for base in type(error).__mro__[1:-1]],
        "traceback": mask("".join(traceback.format_exception(error)))[-_TRACEBACK_CHARS:],
        "causes": [
            {"class": _class_path(type(cause)), "message": mask(str(cause))[:_MESSAGE_CHARS]}
            for cause, _ in zip(_causes(error), range(_CAUSES), strict=False)
        ],
    }
    if fields := _fields(error):
        details["fields"] = fields
    return Failure(
        "PythonError",
        mask(str(error))[:_MESSAGE_CHARS] or type(error).__qualname__,
        details,
        retryable=getattr(error, "retryable", False) is True,
    )


def _fields(error: BaseException) -> dict[str, Any]:
    """The plain attributes an exception carries: a provider's status and code, for example."""
    found: dict[str, Any] = {}
    for name, value in vars(error).items():
        if isinstance(value, str):
            found[name] = mask(value)[:_FIELD_CHARS]
        elif isinstance(value, bool | int | float) and not name.startswith("_"):
            found[name] = value
    return found


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The chain below `error`: its cause, else its context, and the members of groups; each exception once."""
    seen = {id(error)}
    waiting = list(_below(error))
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting.extend(_below(cause))


def _below(error: BaseException) -> Iterator[BaseException]:
    if error.__cause__ is not None:
        yield error.__cause__
    elif error.__context__ is not None and not error.__suppress_context__:
        yield error.__context__
    yield from _members(error)


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """The members of an exception group; groups are known by shape, since Python 3.10 has only the backport."""
    members = getattr(error, "exceptions", ())
    return tuple(m for m in members if isinstance(m, BaseException)) if isinstance(members, tuple | list) else ()  # pyright: ignore[reportUnknownVariableType]


def _find_stop(error: BaseException) -> CallStopped | None:
    if isinstance(error, CallStopped):
        return error
    return next((stop for member in _members(error) if (stop := _find_stop(member)) is not None), None)


def _class_path(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


_SECRETS: Final = (
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), "Bearer ***"),
    (
        re.compile(
            r"(?i)\b(authorization|api[_-]?key|password|passwd|secret|token)(['\"]?\s*[:=]\s*)(['\"]?)[^\s'\",]+"
        ),
        r"\1\2\3***",
    ),
    (re.compile(r"\bsk-[\w-]{8,}"), "sk-***"),
    (re.compile(r"://[^\s/@:]+:[^\s/@]+@"), "://***@"),
)


def mask(text: str) -> str:
    """`text` without the usual shapes of credentials: errors are stored and shown to people."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
