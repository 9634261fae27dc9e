"""The type of a field as data, and its canonical text. The twin of `packages/signatures/src/field-type.ts`.

1. A type has one normal form, and only that is read: unions are flat, without doubles, `None` last.
2. What the grammar has no text for is no type: a negative limit, a text in `Literal` with a line break.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, cast

from ._json import NotJson, checked_json, number_text

FieldType = dict[str, Any]
"""`{"kind": …}`, as in the TypeScript union of the same name."""

NUMBER_LIMITS: Final = ("ge", "gt", "le", "lt")
LENGTH_LIMITS: Final = ("min_length", "max_length")
LIMITS: Final = (*NUMBER_LIMITS, *LENGTH_LIMITS)

MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 256
MAX_MEMBERS: Final = 4_096
"""Of a union, which is flat here; in a text each list of it has at most `MAX_ITEMS`."""
MAX_CHARS: Final = 65_536
"""Of the canonical text. A text has 4,096 at most, but may say more: `list` is `list[Any]`."""
MAX_DIGITS: Final = 15

ANY: Final[FieldType] = {"kind": "Any"}
NONE: Final[FieldType] = {"kind": "None"}

_KEYS: Final[Mapping[str, frozenset[str]]] = {
    **{kind: frozenset({"limits"}) for kind in ("str", "int", "float")},
    **{kind: frozenset[str]() for kind in ("bool", "None", "Any")},
    **{kind: frozenset({"of", "limits"}) for kind in ("list", "set")},
    "dict": frozenset({"key", "of", "limits"}),
    **{kind: frozenset({"of"}) for kind in ("tuple", "tuple_of", "union")},
    "literal": frozenset({"values"}),
    "custom": frozenset({"name"}),
}
_PLAIN: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")


class TypeRefused(ValueError):
    """The reason, without the field."""


def limits_for(kind: str) -> tuple[str, ...]:
    """Which limits a kind takes: bounds of the number, or of the length."""
    if kind in ("int", "float"):
        return NUMBER_LIMITS
    return LENGTH_LIMITS if kind in ("str", "list", "set", "dict") else ()


def text_of(type: FieldType) -> str:
    """`list[str]`, `int | None`, `Annotated[float, Field(ge=0, le=1)]`"""
    limits: Mapping[str, float] = type.get("limits") or {}
    given = ", ".join(f"{name}={number_text(limits[name])}" for name in LIMITS if name in limits)
    return f"Annotated[{_plain_text(type)}, Field({given})]" if given else _plain_text(type)


def _plain_text(type: FieldType) -> str:
    kind: str = type["kind"]
    of: Any = type.get("of")
    match kind:
        case "list" | "set":
            return f"{kind}[{text_of(of)}]"
        case "dict":
            return f"dict[{type['key']}, {text_of(of)}]"
        case "tuple":
            return f"tuple[{', '.join(map(text_of, of))}]"
        case "tuple_of":
            return f"tuple[{text_of(of)}, ...]"
        case "union":
            return " | ".join(map(text_of, of))
        case "literal":
            return f"Literal[{', '.join(map(literal_text, type['values']))}]"
        case "custom":
            return type["name"]
        case _:
            return kind


def literal_text(value: str | int | bool | None) -> str:
    if isinstance(value, str):
        return f'"{value}"' if "'" in value else f"'{value}'"
    return str(value)


def union_of(members: Iterable[FieldType]) -> FieldType:
    """The normal form of a union of types that are normal themselves."""
    flat = [part for member in members for part in (member["of"] if member["kind"] == "union" else (member,))]
    single = {text_of(part): part for part in flat}
    order = sorted(single.values(), key=lambda part: part["kind"] == "None")
    return order[0] if len(order) == 1 else {"kind": "union", "of": order}


def custom_names(type: FieldType) -> Iterable[str]:
    if type["kind"] == "custom":
        yield type["name"]
    of = type.get("of")
    for part in of if isinstance(of, list) else () if of is None else (of,):  # pyright: ignore[reportUnknownVariableType]
        yield from custom_names(cast(FieldType, part))


def field_type(value: object, customs: Container[str]) -> FieldType:
    """The type of a whole field: a checked copy of `value`; raises `TypeRefused`."""
    found = _read(value, customs, 0)
    if found["kind"] == "None":
        raise TypeRefused("DSPy takes None for str; use Optional[...]")
    if len(text_of(found).encode("utf-16-le")) // 2 > MAX_CHARS:
        raise TypeRefused(f"the type has more than {MAX_CHARS} characters")
    return found


def _read(value: object, customs: Container[str], depth: int) -> FieldType:
    if not isinstance(value, Mapping):
        raise TypeRefused(f"{value!r} is no type")
    tree = cast("Mapping[str, object]", value)
    kind = tree.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise TypeRefused(f"no kind of type {kind!r}; there are: {', '.join(_KEYS)}")
    if unknown := sorted(map(str, tree.keys() - _KEYS[kind] - {"kind"})):
        raise TypeRefused(f"a type of kind {kind} has no {', '.join(unknown)}")
    if missing := sorted(_KEYS[kind] - tree.keys() - {"limits"}):
        raise TypeRefused(f"a type of kind {kind} needs {', '.join(missing)}")
    limits = _limits(kind, tree["limits"]) if "limits" in tree else None
    inner = depth + (kind in ("list", "set", "dict", "tuple", "tuple_of", "literal")) + (limits is not None)
    if inner > MAX_DEPTH:
        raise TypeRefused(f"types are nested more than {MAX_DEPTH} deep")
    found: FieldType = {"kind": kind, **_READERS.get(kind, _nothing)(tree, lambda part: _read(part, customs, inner))}
    if kind == "custom" and found["name"] not in customs:
        raise TypeRefused(f"unknown type {found['name']!r}; it is not in defs")
    return found if limits is None else {**found, "limits": limits}


_Read = Callable[[object], FieldType]


def _nothing(_tree: Mapping[str, object], _read: _Read) -> FieldType:
    return {}


def _of_one(tree: Mapping[str, object], read: _Read) -> FieldType:
    return {"of": read(tree["of"])}


def _set(tree: Mapping[str, object], read: _Read) -> FieldType:
    of = read(tree["of"])
    if of["kind"] not in ("str", "int", "float", "bool", "literal") or "limits" in of:
        raise TypeRefused("a set holds str, int, float, bool or Literal")
    return {"of": of}


def _dict(tree: Mapping[str, object], read: _Read) -> FieldType:
    if tree["key"] not in ("str", "int"):
        raise TypeRefused("the keys of a dict are str or int")
    return {"key": tree["key"], "of": read(tree["of"])}


def _tuple(tree: Mapping[str, object], read: _Read) -> FieldType:
    return {"of": [read(part) for part in _items(tree["of"], 1)]}


def _union(tree: Mapping[str, object], read: _Read) -> FieldType:
    of = [read(part) for part in _items(tree["of"], 2, MAX_MEMBERS)]
    if union_of(of) != {"kind": "union", "of": of}:
        raise TypeRefused("a union is flat, without doubles, None last")
    return {"of": of}


def _literal(tree: Mapping[str, object], _read: _Read) -> FieldType:
    values = [literal_value(value) for value in _items(tree["values"], 1)]
    texts = [literal_text(value) for value in values]
    if twice := [text for index, text in enumerate(texts) if text in texts[:index]]:
        raise TypeRefused(f"{twice[0]} twice in Literal")
    return {"values": values}


def _custom(tree: Mapping[str, object], _read: _Read) -> FieldType:
    if not isinstance(tree["name"], str):
        raise TypeRefused(f"{tree['name']!r} is no name of a type")
    return {"name": tree["name"]}


_READERS: Final[Mapping[str, Callable[[Mapping[str, object], _Read], FieldType]]] = {
    "list": _of_one,
    "tuple_of": _of_one,
    "set": _set,
    "dict": _dict,
    "tuple": _tuple,
    "union": _union,
    "literal": _literal,
    "custom": _custom,
}


def _items(value: object, at_least: Literal[1, 2], at_most: int = MAX_ITEMS) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise TypeRefused(f"{value!r} is no list")
    items = cast("Sequence[object]", value)
    if not at_least <= len(items) <= at_most:
        raise TypeRefused(f"a list here has {at_least} to {at_most} items, not {len(items)}")
    return items


def literal_value(value: object) -> str | int | bool | None:
    """A value of `Literal`, when the grammar has a text for it; raises `TypeRefused`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if any(char in value for char in "\\\n\r\0") or ("'" in value and '"' in value):
            raise TypeRefused("a string in Literal has no backslash, line break or NUL, and one kind of quotes at most")
        return _json_of(value)
    number = value if isinstance(value, float) else _json_of(value)
    if not isinstance(number, int):
        raise TypeRefused(f"{value!r} in Literal is no string, whole number, True, False or None")
    if number < 0:
        raise TypeRefused("DSPy cannot read negative numbers")
    if len(str(number)) > MAX_DIGITS:
        raise TypeRefused(f"a number has at most {MAX_DIGITS} digits")
    return number


def _limits(kind: str, value: object) -> dict[str, int | float]:
    if not isinstance(value, Mapping) or not value:
        raise TypeRefused("limits are a map of at least one")
    return {
        str(name): limit_value(kind, str(name), limit) for name, limit in cast("Mapping[object, object]", value).items()
    }


def limit_value(kind: str, name: str, value: object) -> int | float:
    """The bound, when the grammar has a text for it; raises `TypeRefused`."""
    if name not in limits_for(kind):
        raise TypeRefused(f"limit '{name}' is not for a type of kind {kind}")
    number = _json_of(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeRefused(f"limit '{name}': {value!r} is no number")
    if number < 0:
        raise TypeRefused(f"limit '{name}': DSPy cannot read negative numbers")
    text = number_text(number)
    if not _PLAIN.fullmatch(text) or len(text) > MAX_DIGITS:
        raise TypeRefused(f"limit '{name}': {text} is no plain number of at most {MAX_DIGITS} characters")
    if kind != "float" and not isinstance(number, int):
        raise TypeRefused(f"limit '{name}' takes a whole number here")
    return number


def _json_of(value: object) -> Any:
    try:
        return checked_json(value)
    except NotJson as error:
        raise TypeRefused(str(error)) from None
