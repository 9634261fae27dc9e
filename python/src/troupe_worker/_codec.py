"""Bodies: msgpack, or JSON when the `content-type` header asks for it.

1. Both forms accept the same values: plain data, dataclasses, pydantic models, numpy scalars and arrays. Bytes exist
   in msgpack only.
2. Nothing is guessed: what neither form knows raises `NotPlainData`, it is never turned into its `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import orjson
import ormsgpack
from pydantic import BaseModel

Format = Literal["msgpack", "json"]
JSON_HEADERS: Final[Mapping[str, str]] = {"content-type": "application/json"}


class NotPlainData(ValueError):
    """A value that cannot travel."""


class MalformedBody(ValueError):
    """Bytes that are not a map in the format their header names."""


def format_of(headers: Mapping[str, str] | None) -> Format:
    """The format the sender used, which is also the format it wants back."""
    for name, value in (headers or {}).items():
        if name.lower() == "content-type" and value.split(";")[0].strip().lower() == "application/json":
            return "json"
    return "msgpack"


def encode(value: object, form: Format) -> bytes:
    try:
        if form == "json":
            return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
        return ormsgpack.packb(value, default=_plain, option=ormsgpack.OPT_SERIALIZE_NUMPY)
    except (TypeError, ValueError) as error:
        # Both libraries hide the hook's own message in the cause.
        raise NotPlainData(str(error.__cause__ or error)) from error


def decode(body: bytes, form: Format) -> dict[str, Any]:
    try:
        value: object = orjson.loads(body) if form == "json" else ormsgpack.unpackb(body)
    except ValueError as error:
        raise MalformedBody(f"the body is not {form}: {error}") from error
    if not isinstance(value, dict):
        raise MalformedBody(f"the body is {type(value).__name__}, not a map")
    return value  # pyright: ignore[reportUnknownVariableType]


def _plain(value: object) -> object:
    """The hook both libraries call for a type they do not know."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    tolist = getattr(value, "tolist", None)  # arrays that are not C-contiguous
    if callable(tolist):
        return tolist()
    raise TypeError(f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be sent")
