"""From a spec to a `dspy.Signature`, without a look at any text of it: types come from the table below."""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import builtins
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import dspy
from pydantic import Field

from ._definitions import types_of
from ._field_type import LIMITS, FieldType, text_of
from ._json import number_text
from ._spec import Spec, SpecField, parse_spec
from ._typing import union

KEPT: Final = 1_024
"""Classes that a process keeps. The one that was not asked for the longest goes first."""

_SCALARS: Final[Mapping[str, Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "None": type(None),
}
_WORDS: Final = {
    "ge": "greater than or equal to",
    "gt": "greater than",
    "le": "less than or equal to",
    "lt": "less than",
    "min_length": "minimum length",
    "max_length": "maximum length",
}
"""DSPy's own, from `InputField(ge=0)`."""


class _Kept:
    def __init__(self) -> None:
        self._classes: OrderedDict[str, type[dspy.Signature]] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_build(self, spec: Spec) -> type[dspy.Signature]:
        """One build for all threads that ask for it at once."""
        with self._lock:
            found = self._classes.get(spec["hash"])
            if found is None:
                found = self._classes[spec["hash"]] = _build(spec)
            self._classes.move_to_end(spec["hash"])
            while len(self._classes) > KEPT:
                self._classes.popitem(last=False)
            return found


_kept: Final = _Kept()


def signature_of(spec: Mapping[str, Any]) -> type[dspy.Signature]:
    """The class of a spec, one per hash and process; raises `SignatureRefused`.

    Two specs that differ by name only are one class, with the name of the first.
    """
    return _kept.get_or_build(parse_spec(spec))


def _build(spec: Spec) -> type[dspy.Signature]:
    annotations = Annotations(types_of(spec["defs"]))
    fields = {field["name"]: (annotations.of(field["type"]), _info(field)) for field in spec["fields"]}
    name = re.sub(r"\W", "_", spec["name"], flags=re.ASCII)
    return dspy.make_signature(fields, spec["instructions"], name)


def _info(field: SpecField) -> Any:
    info: Any = dspy.InputField() if field["io"] == "input" else dspy.OutputField()
    extra: dict[str, Any] = info.json_schema_extra
    if "desc" in field:
        extra["desc"] = field["desc"]
    if limits := field["type"].get("limits"):
        words = [f"{_WORDS[name]}: {number_text(limits[name])}" for name in LIMITS if name in limits]
        extra["constraints"] = ", ".join(words)
    return info


class Annotations:
    """The Python types of checked ones."""

    def __init__(self, customs: Mapping[str, Any]) -> None:
        self._customs = customs

    def of(self, type: FieldType) -> Any:
        plain, limits = self._plain(type), type.get("limits")
        return Annotated[plain, Field(**limits)] if limits else plain

    def key(self, name: str) -> Any:
        return _SCALARS[name]

    def any(self) -> Any:
        return Any

    def union(self, members: Sequence[Any], _text: Callable[[], str]) -> Any:
        return union(members)

    def set(self, of: Any) -> Any:
        return builtins.set[of]

    def literal(self, values: Sequence[str | int | bool | None]) -> Any:
        return Literal[tuple(values)]

    def _plain(self, type: FieldType) -> Any:
        match type["kind"]:
            case "list":
                return list[self.of(type["of"])]
            case "set":
                return self.set(self.of(type["of"]))
            case "dict":
                return dict.__class_getitem__((self.key(type["key"]), self.of(type["of"])))
            case "tuple":
                return tuple.__class_getitem__(tuple(map(self.of, type["of"])))
            case "tuple_of":
                return tuple.__class_getitem__((self.of(type["of"]), ...))
            case "union":
                return self.union(list(map(self.of, type["of"])), lambda: text_of(type))
            case "Any":
                return self.any()
            case "literal":
                return self.literal(type["values"])
            case "custom":
                return self._customs[type["name"]]
            case kind:
                return _SCALARS[kind]
