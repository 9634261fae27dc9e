"""Types of `typing` that are what they were asked to be."""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

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
