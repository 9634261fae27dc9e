"""Types of `typing` that are what they were asked to be."""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import typing
from collections.abc import Generator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from .._errors import SignatureRefused


def union(members: Sequence[Any]) -> Any:
    """`Union[members]` in their order.

    `typing` remembers what it made and compares without order: `Optional[Literal['b', 'a']]` may come back as an
    earlier `Optional[Literal['a', 'b']]`. The order is what a model is shown, so it is made again.
    """
    wanted = tuple(type(None) if member is None else member for member in members)
    if len(wanted) == 1:
        return wanted[0]
    made = Union[wanted]  # noqa: UP007
    if not _in_order(get_args(made), wanted):
        for forget in getattr(typing, "_cleanups", ()):
            forget()
        made = Union[wanted]  # noqa: UP007
    if not _in_order(get_args(made), wanted):
        raise SignatureRefused(f"{made} is what Python makes of a union of {', '.join(map(str, wanted))}")
    return made


@dataclass(frozen=True)
class OneOf:
    """For `Annotated[union, …]`: one issue at the place of the union when no member fits.

    pydantic would list the faults of all members, with names of members in their paths.
    """

    wanted: str
    counted: bool = False
    """Whether looks at it are counted, see `looks_at_most`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        if self.counted:
            # A function before or around the union would be given, and hand on, Python's values in place of JSON.
            inner = core_schema.tagged_union_schema({"it": inner}, discriminator=_look)
        return core_schema.custom_error_schema(
            inner,
            "one_of",
            custom_error_message="Input should be {wanted}",
            custom_error_context={"wanted": self.wanted},
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        inner = schema["schema"]
        return handler(inner["choices"]["it"] if self.counted else inner)


def one_of(members: Sequence[Any], wanted: str, *, counted: bool = False) -> Any:
    """`union` with one issue. Of `X | None` pydantic gives the issues of X, without a name of it."""
    made = union(members)
    others = [part for part in get_args(made) if part is not type(None)] if get_origin(made) is Union else []
    return Annotated[made, OneOf(wanted, counted)] if len(others) > 1 else made


class Looks:
    """How much may still be looked at: a list, a map, a text and a number are one each."""

    def __init__(self, left: int) -> None:
        self.left = left


_looks: Final[ContextVar[Looks | None]] = ContextVar("looks", default=None)


@contextlib.contextmanager
def looks_at_most(count: int) -> Generator[Looks]:
    """Bounds what counted unions look at. Members that refer on may each try all of a value: twice as long per level.

    When `left` is below zero at the end, the verdict is none: unions were given up.
    """
    looks = Looks(count)
    token = _looks.set(looks)
    try:
        yield looks
    finally:
        _looks.reset(token)


def _look(value: Any) -> str | None:
    looks = _looks.get()
    if looks is not None:
        if looks.left >= 0:
            looks.left -= _size(value)
        if looks.left < 0:
            return None
    return "it"


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def exact_literal(values: Sequence[str | int | bool | None]) -> Any:
    """`Literal` that takes a value for what it is; pydantic takes `true` for 1 too."""
    shown = ", ".join(map(repr, values))

    def one_of(value: Any) -> Any:
        if not any(type(value) is type(wanted) and value == wanted for wanted in values):
            raise PydanticCustomError("one_of", "Input should be one of {values}", {"values": shown})
        return value

    return Annotated[Literal[tuple(values)], BeforeValidator(one_of)]


def same_type(one: Any, other: Any) -> bool:
    """Equal down to the order of what they are made of; `==` of `typing` does without order."""
    if one is other:
        return True
    if type(one) is not type(other) or get_origin(one) != get_origin(other):
        return False
    parts = get_args(one)
    return _in_order(parts, get_args(other)) if parts else one == other


def _in_order(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    return len(some) == len(others) and all(map(same_type, some, others))
