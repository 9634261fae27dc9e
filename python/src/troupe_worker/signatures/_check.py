"""Values against a signature, as plain data of the wire.

1. Of the types of the grammar, what is accepted is what TypeScript accepts: a bool is no int, a name that is missing or
   unknown is refused. Values of custom types are checked by Python's own means: of a class, by its own validators; of a
   definition in a spec, by what pydantic makes of the JSON Schema (`_definitions.py`).
2. Every fault is listed with its path, which leads to a value, or to the union that none of its members fits.
3. What comes out is data that JSON and JavaScript can hold: lists for sets (in order) and tuples, texts for the keys of
   maps, no NaN, no whole number beyond 2**53 - 1.
4. Time and depth are bounded, also for hostile values: nothing is nested more than `MAX_DEPTH` deep, an `Any` not more
   than `_ANY_DEPTH`, and what unions of a spec's definitions look at is counted. A class has validators of its own.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import enum
import re
import threading
from collections.abc import Callable, Mapping, Sequence
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
from ._json import MAX_DEPTH, MAX_WHOLE, NotJson, checked_number, checked_text
from ._spec import Io, JsonSchema
from ._typing import exact_literal, looks_at_most, one_of

Issue = dict[str, str]
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,15}")
_ANY_DEPTH: Final = 64
"""As `isJson` of `packages/signatures/src/checks.ts` counts: from where the `Any` begins."""
_LOOKS: Final = 1_000_000
_LOOKS_PER_BYTE: Final = 64
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
    given: dict[str, Any] = {}
    for name, value in cast("Mapping[object, Any]", values).items():
        if isinstance(name, str) and _is_text(name):
            given[name] = _plain(value, name, issues, whole=True)
        else:
            issues.append({"path": "", "message": f"{name!r} is no name of a field"})
    if issues:
        return {}, issues
    checker = _checkers.get(cls, io)
    text = orjson.dumps(given)
    with looks_at_most(_LOOKS + _LOOKS_PER_BYTE * len(text)) as looks:
        try:
            found = checker.model_validate_json(text, strict=True)
        except ValidationError as error:
            found, issues = None, _issues(error, given)
    if looks.left < 0:
        return {}, [{"path": "", "message": "too many ways to read it: a union of a custom type tries all of them"}]
    if found is None:
        return {}, issues
    checked = {
        str(info.alias): _plain(getattr(found, name), str(info.alias), issues)
        for name, info in checker.model_fields.items()
    }
    return checked, issues


def _issues(error: ValidationError, given: Mapping[str, Any]) -> list[Issue]:
    """Each once: members of a union in a class may say the same."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    each = {(_path(issue["loc"], issue["type"], given), issue["msg"]): issue["type"] for issue in found}
    return [
        {"path": path, "message": _NO_FIELD if type == "extra_forbidden" else message}
        for (path, message), type in each.items()
    ]


def _path(loc: Sequence[Any], type: str, given: Any) -> str:
    """The parts that lead into the value. pydantic adds names of a union's members, and `[key]`."""
    parts: list[str] = []
    for index, part in enumerate(loc):
        is_item = isinstance(given, list) and isinstance(part, int) and 0 <= part < len(given)
        if is_item or (isinstance(given, dict) and part in given):
            given = given[part]
        elif type != "missing" or index < len(loc) - 1:
            continue
        parts.append(str(part))
    return ".".join(parts)


def _message(what: str, issues: Sequence[Issue]) -> str:
    shown = "; ".join(f"{issue['path']}: {issue['message']}" for issue in issues[:5])
    return f"{what}: {shown}" if len(issues) <= 5 else f"{what}: {shown}; and {len(issues) - 5} more"


def _plain(value: Any, path: str, issues: list[Issue], *, whole: bool = False, depth: int = 0) -> Any:
    """Plain data; what is none is listed. With `whole`, floats without a fraction are ints, as in JavaScript."""

    def plain(member: Any, key: object = None) -> Any:
        return _plain(member, path if key is None else f"{path}.{key}", issues, whole=whole, depth=depth + 1)

    try:
        if depth > MAX_DEPTH:
            raise NotJson(path.partition(".")[0], f"nested more than {MAX_DEPTH} deep")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum | BaseModel):
            return plain(_inner(value))
        if isinstance(value, str):
            return checked_text(str(value), path)
        if isinstance(value, int | float):
            number = checked_number(value, path)
            return number if whole else value
        if isinstance(value, Mapping):
            members = [(_key(key, path), member) for key, member in cast("Mapping[object, Any]", value).items()]
            if len(dict(members)) < len(members):
                raise NotJson(path, "two keys are the same as text")
            return {key: plain(member, key) for key, member in members}
        if isinstance(value, AbstractSet):
            value = sorted(cast("AbstractSet[Any]", value), key=_rank)
        if isinstance(value, list | tuple):
            items = cast("Sequence[Any]", value)
            return [plain(item, index) for index, item in enumerate(items)]
        if isinstance(value, bytes):
            raise NotJson(path, "bytes are no plain data")
        return plain(to_jsonable_python(value))
    except NotJson as error:
        issues.append({"path": error.path, "message": error.reason})
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        issues.append({"path": path, "message": f"{type(value).__name__} is no plain data"})
    return None


def _inner(value: enum.Enum | BaseModel) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    return value.model_dump(mode="json", by_alias=True, warnings=False)


def _key(key: object, path: str) -> str:
    plain = key.value if isinstance(key, enum.Enum) else key
    if isinstance(plain, bool) or not isinstance(plain, str | int):
        raise NotJson(path, f"the key {key!r} is no text and no whole number")
    return checked_text(plain, path) if isinstance(plain, str) else str(checked_number(plain, path))


def _rank(item: Any) -> tuple[str, Any]:
    plain = item.value if isinstance(item, enum.Enum) else item
    comparable = isinstance(plain, str | int | float)
    return type(plain).__name__, plain if comparable else repr(plain)


def _is_text(name: str) -> bool:
    try:
        checked_text(name, "")
    except NotJson:
        return False
    return True


class _Exact(Annotations):
    """Types that take a value for what it is: pydantic takes '01' for the key 1 too, and two equal items for one."""

    def any(self) -> Any:
        return Annotated[Any, AfterValidator(_shallow)]

    def union(self, members: Sequence[Any], _text: Callable[[], str]) -> Any:
        return one_of(members, _text())

    def key(self, name: str) -> Any:
        return Annotated[int, BeforeValidator(_whole)] if name == "int" else super().key(name)

    def set(self, of: Any) -> Any:
        return Annotated[list[of], AfterValidator(_once_each)]

    def literal(self, values: Sequence[str | int | bool | None]) -> Any:
        return exact_literal(values)


def _shallow(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict | list):
        if depth == _ANY_DEPTH:
            raise PydanticCustomError("shallow", "Input should be nested at most {most} deep", {"most": _ANY_DEPTH})
        for member in value.values() if isinstance(value, dict) else value:
            _shallow(member, depth + 1)
    return value


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
