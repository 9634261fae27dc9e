"""JSON as both languages write it: the same bytes for the same value, so that a hash means the same on both sides.

1. Numbers are what JavaScript can hold: whole ones are `int` up to 2**53 - 1, and none is NaN or infinite.
2. The text is that of `canonicalJson` in `packages/signatures/src/spec.ts`: keys by code point, no spaces, numbers as
   JavaScript writes them. (orjson alone does not do: it writes 1e-6 where JavaScript writes 0.000001.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

import orjson

MAX_WHOLE: Final = 2**53 - 1
MAX_DEPTH: Final = 100


class NotJson(ValueError):
    """A value that JSON, or JavaScript, cannot carry. `path` leads to it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path, self.reason = path, reason


def checked_json(value: object, path: str = "", depth: int = 0) -> Any:
    """A copy of `value` in which whole floats are ints; raises `NotJson`."""
    if depth > MAX_DEPTH:
        raise NotJson("", f"nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return checked_text(value, path)
    if isinstance(value, int | float):
        return checked_number(value, path)
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return {_key(key, path): checked_json(member, _join(path, key), depth + 1) for key, member in members.items()}
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return [checked_json(item, _join(path, index), depth + 1) for index, item in enumerate(items)]
    raise NotJson(path, f"{type(value).__name__} is no JSON")


def checked_number(value: float, path: str) -> int | float:
    """`value`, as an int when it is whole and JavaScript counts that far; raises `NotJson`."""
    if isinstance(value, int):
        if abs(value) > MAX_WHOLE:
            raise NotJson(path, "a whole number beyond 2**53 - 1, which JavaScript cannot hold")
        return value
    if not math.isfinite(value):
        raise NotJson(path, f"{value} is no JSON")
    return int(value) if value.is_integer() and abs(value) <= MAX_WHOLE else value


def checked_text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotJson(path, "the text has half a surrogate pair") from None
    return value


def canonical_json(value: Any) -> str:
    """Of a value that `checked_json` gave."""
    if isinstance(value, dict):
        members = sorted(cast("dict[str, Any]", value).items())
        return "{" + ",".join(f"{canonical_json(key)}:{canonical_json(member)}" for key, member in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical_json(item) for item in cast("list[Any]", value)) + "]"
    if isinstance(value, float):
        return number_text(value)
    return orjson.dumps(value).decode()


def number_text(value: float) -> str:
    """`String(value)` of JavaScript."""
    if isinstance(value, int):
        return str(value)
    if not value:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if len(text) <= point <= 21:
        shown = text.ljust(point, "0")
    elif 0 < point <= 21:
        shown = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        shown = f"0.{'0' * -point}{text}"
    else:
        mantissa = text if len(text) == 1 else f"{text[0]}.{text[1:]}"
        shown = f"{mantissa}e{point - 1:+d}"
    return f"-{shown}" if sign else shown


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise NotJson(path, f"the key {key!r} is no text")
    return checked_text(key, path)


def _join(path: str, part: object) -> str:
    return f"{path}.{part}" if path else str(part)
