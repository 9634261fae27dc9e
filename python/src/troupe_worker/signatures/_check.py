"""Values against a signature, as plain data of the wire.

1. What is accepted is what the spec says, on both sides of the bus: a bool is no int, a name that is missing or unknown
   is refused, and every fault is listed with its path.
2. What comes out is data that JSON and JavaScript can hold: lists for sets (in order) and tuples, texts for the keys of
   maps, no NaN, no whole number beyond 2**53 - 1.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import enum
import re
import threading
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final, cast
from weakref import WeakKeyDictionary

import dspy
import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError, PydanticSerializationError, to_jsonable_python

from .._errors import InvalidArguments, ResultRefused
from ._build import Annotations
from ._definitions import definition_of
from ._dump import read, without_titles
from ._json import MAX_WHOLE, NotJson, checked_number, checked_text
from ._spec import Io, JsonSchema
from ._typing import exact_literal

Issue = dict[str, str]
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,15}")
_NO_FIELD: Final = "Unknown field"
_TITLES: Final = frozenset({"title", "description"})


def check_inputs(cls: type[dspy.Signature], values: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as plain data; raises `InvalidArguments` with every issue."""
    checked, issues = _check(cls, "input", values)
    if issues:
        raise InvalidArguments(_message("inputs", issues), issues)
    return checked


def check_outputs(cls: type[dspy.Signature], values: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs as plain data; raises `ResultRefused` with every issue."""
    checked, issues = _check(cls, "output", values)
    if issues:
        raise ResultRefused(_message("outputs", issues), issues)
    return checked


def json_schema_of(cls: type[dspy.Signature], io: Io) -> JsonSchema:
    """Of all inputs, or all outputs, as one object."""
    spec, customs = read(cls)
    annotations = Annotations(customs)
    fields = {field["name"]: annotations.of(field["type"]) for field in spec["fields"] if field["io"] == io}
    schema = without_titles(_model(fields, ConfigDict(extra="forbid")).model_json_schema(), _TITLES)
    defs = schema.pop("$defs", {})
    for name, custom in customs.items():
        made = definition_of(custom)
        if name in defs and made is not None:
            defs.update(without_titles({"$defs": dict(made.defs)}, _TITLES)["$defs"])
    return {**schema, "$defs": {name: defs[name] for name in sorted(defs)}} if defs else schema


def _check(cls: type[dspy.Signature], io: Io, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Issue]]:
    issues: list[Issue] = []
    try:
        given = {name: _plain(value, name, issues, whole=True) for name, value in values.items()}
    except RecursionError:
        return {}, [{"path": "", "message": "nested too deep"}]
    if issues:
        return {}, issues
    checker = _checkers.get(cls, io)
    try:
        found = checker.model_validate_json(orjson.dumps(given), strict=True)
    except ValidationError as error:
        return {}, [_issue(issue) for issue in error.errors(include_url=False, include_input=False)]
    checked = {
        str(info.alias): _plain(getattr(found, name), str(info.alias), issues)
        for name, info in checker.model_fields.items()
    }
    return checked, issues


def _issue(issue: Any) -> Issue:
    path = ".".join(str(part) for part in issue["loc"])
    return {"path": path, "message": _NO_FIELD if issue["type"] == "extra_forbidden" else issue["msg"]}


def _message(what: str, issues: Sequence[Issue]) -> str:
    shown = "; ".join(f"{issue['path']}: {issue['message']}" for issue in issues[:5])
    return f"{what}: {shown}" if len(issues) <= 5 else f"{what}: {shown}; and {len(issues) - 5} more"


def _plain(value: Any, path: str, issues: list[Issue], *, whole: bool = False) -> Any:
    """Plain data; what is none is listed. With `whole`, floats without a fraction are ints, as in JavaScript."""
    try:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return _plain(value.value, path, issues, whole=whole)
        if isinstance(value, str):
            return checked_text(str(value), path)
        if isinstance(value, int | float):
            number = checked_number(value, path)
            return number if whole else value
        if isinstance(value, BaseModel):
            return _plain(value.model_dump(mode="json", by_alias=True, warnings=False), path, issues, whole=whole)
        if isinstance(value, Mapping):
            members = cast("Mapping[object, Any]", value)
            return {
                _key(key, path): _plain(member, f"{path}.{key}", issues, whole=whole) for key, member in members.items()
            }
        if isinstance(value, AbstractSet):
            value = sorted(cast("AbstractSet[Any]", value), key=_rank)
        if isinstance(value, list | tuple):
            items = cast("Sequence[Any]", value)
            return [_plain(item, f"{path}.{index}", issues, whole=whole) for index, item in enumerate(items)]
        if isinstance(value, bytes):
            raise NotJson(path, "bytes are no plain data")
        return _plain(to_jsonable_python(value), path, issues, whole=whole)
    except NotJson as error:
        issues.append({"path": error.path, "message": error.reason})
    except PydanticSerializationError:
        issues.append({"path": path, "message": f"{type(value).__name__} is no plain data"})
    return None


def _key(key: object, path: str) -> str:
    plain = key.value if isinstance(key, enum.Enum) else key
    if isinstance(plain, bool) or not isinstance(plain, str | int):
        raise NotJson(path, f"the key {key!r} is no text and no whole number")
    return checked_text(plain, path) if isinstance(plain, str) else str(checked_number(plain, path))


def _rank(item: Any) -> tuple[str, Any]:
    plain = item.value if isinstance(item, enum.Enum) else item
    comparable = isinstance(plain, str | int | float)
    return type(plain).__name__, plain if comparable else repr(plain)


class _Exact(Annotations):
    """Types that take a value for what it is: pydantic takes '01' for the key 1 too, and two equal items for one."""

    def key(self, name: str) -> Any:
        return Annotated[int, BeforeValidator(_whole)] if name == "int" else super().key(name)

    def set(self, of: Any) -> Any:
        return Annotated[list[of], AfterValidator(_once_each)]

    def literal(self, values: Sequence[str | int | bool | None]) -> Any:
        return exact_literal(values)


def _once_each(items: list[Any]) -> list[Any]:
    """pydantic would take one of two equal items for a set, and say nothing."""
    if len(items) != len({orjson.dumps(_plain(item, "", [])) for item in items}):
        raise PydanticCustomError("once_each", "Set should have each item once")
    return items


def _whole(key: Any) -> int:
    if not _WHOLE.fullmatch(str(key)) or abs(int(key)) > MAX_WHOLE:
        raise PydanticCustomError("whole", "Keys should be whole numbers, written as JavaScript does")
    return int(key)


def _model(fields: Mapping[str, Any], config: ConfigDict) -> type[BaseModel]:
    # The prefix keeps names such as `json` from clashing with attributes of the model class.
    named: dict[str, Any] = {f"field_{name}": (type, Field(alias=name)) for name, type in fields.items()}
    return create_model("Values", __config__=config, **named)


class _Checkers:
    """One per class and side, for as long as the class lives."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[type, dict[Io, type[BaseModel]]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, cls: type[dspy.Signature], io: Io) -> type[BaseModel]:
        with self._lock:
            found = self._made.get(cls)
            if found is None:
                found = self._made[cls] = self._make(cls)
            return found[io]

    def _make(self, cls: type[dspy.Signature]) -> dict[Io, type[BaseModel]]:
        spec, customs = read(cls)
        exact = _Exact(customs)
        sides: dict[Io, dict[str, Any]] = {"input": {}, "output": {}}
        for field in spec["fields"]:
            sides[field["io"]][field["name"]] = exact.of(field["type"])
        return {io: _model(fields, ConfigDict(extra="forbid", strict=True)) for io, fields in sides.items()}


_checkers: Final = _Checkers()
