"""From any `dspy.Signature` to its spec, in the one normal form that TypeScript has for it."""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import enum
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

import dspy
from annotated_types import BaseMetadata, Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo

from .._errors import SignatureRefused
from ._definitions import definition_of, types_of
from ._field_type import ANY, NONE, FieldType, TypeRefused, limit_value, limits_for, literal_value, union_of
from ._json import NotJson, checked_json
from ._names import type_name_fault
from ._spec import REF, JsonSchema, Spec, SpecField, closure, hash_of, parse_spec, spec_field

_SCALARS: Final[Mapping[Any, str]] = {str: "str", int: "int", float: "float", bool: "bool"}
_BARE: Final[Mapping[Any, FieldType]] = {
    list: {"kind": "list", "of": ANY},
    dict: {"kind": "dict", "key": "str", "of": ANY},
    tuple: {"kind": "tuple_of", "of": ANY},
}
_LIMITS: Final[Mapping[type, str]] = {
    Ge: "ge",
    Gt: "gt",
    Le: "le",
    Lt: "lt",
    MinLen: "min_length",
    MaxLen: "max_length",
}


def spec_of(cls: type[dspy.Signature]) -> Spec:
    """The spec of a signature; raises `SignatureRefused` for what the grammar has no word for."""
    return read(cls)[0]


def read(cls: type[dspy.Signature]) -> tuple[Spec, Mapping[str, type]]:
    """The spec, and the classes of its custom types."""
    meta: Any = cls
    customs = Customs()
    fields: list[SpecField] = []
    for io, infos in (("input", meta.input_fields), ("output", meta.output_fields)):
        for name, info in cast("Mapping[str, FieldInfo]", infos).items():
            try:
                fields.append(_field(name, cast(Literal["input", "output"], io), info, customs))
            except TypeRefused as error:
                raise SignatureRefused(f"field '{name}': {error}") from error
    types_of(customs.defs)  # what this worker could not read back is refused here, where its author sees it
    defs, instructions = {name: customs.defs[name] for name in sorted(customs.defs)}, str(meta.instructions)
    hash = hash_of(instructions, fields, defs)
    spec = {"v": 1, "name": cls.__name__, "instructions": instructions, "fields": fields, "defs": defs, "hash": hash}
    return parse_spec(spec), customs.classes


def _field(name: str, io: Literal["input", "output"], info: FieldInfo, customs: Customs) -> SpecField:
    if not info.is_required():
        raise TypeRefused("DSPy alone would know its default; leave it out")
    if info.alias is not None or info.validation_alias is not None or info.serialization_alias is not None:
        raise TypeRefused("an alias gives it a second name; leave it out")
    type = type_of(info.annotation, customs)
    if limits := limits_of(type, info.metadata):
        type = {**type, "limits": limits}
    field = spec_field(name, io, type, customs.defs)
    extra = cast("Mapping[str, str]", info.json_schema_extra)
    if extra["desc"] != f"${{{name}}}":
        field["desc"] = extra["desc"]
    return field


def type_of(annotation: Any, customs: Customs) -> FieldType:
    """The normal form of an annotation; raises `TypeRefused`."""
    if annotation in (None, types.NoneType):
        return NONE
    if annotation is Any:
        return ANY
    if isinstance(annotation, type) and annotation in _SCALARS:
        return {"kind": _SCALARS[annotation]}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        plain = type_of(args[0], customs)
        limits = limits_of(plain, args[1:])
        return {**plain, "limits": limits} if limits else plain
    bare = origin if origin is not None and not args else annotation
    if isinstance(bare, type) and bare in _BARE and annotation != tuple[()]:
        return _BARE[bare]
    read = _GENERICS.get(origin)
    if read is not None and args:
        return read(args, lambda part: type_of(part, customs))
    if origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel | enum.Enum):
        return {"kind": "custom", "name": customs.add(annotation)}
    raise TypeRefused(f"no word for the type {getattr(annotation, '__qualname__', annotation)}")


_Read = Callable[[Any], FieldType]


def _dict(args: Sequence[Any], read: _Read) -> FieldType:
    if args[0] not in (str, int):
        raise TypeRefused("the keys of a dict are str or int")
    return {"kind": "dict", "key": _SCALARS[args[0]], "of": read(args[1])}


def _tuple(args: Sequence[Any], read: _Read) -> FieldType:
    if len(args) == 2 and args[1] is ...:
        return {"kind": "tuple_of", "of": read(args[0])}
    return {"kind": "tuple", "of": [read(arg) for arg in args]}


def _union(args: Sequence[Any], read: _Read) -> FieldType:
    return union_of(read(arg) for arg in args)


def _literal(args: Sequence[Any], _read: _Read) -> FieldType:
    if members := [arg for arg in args if isinstance(arg, enum.Enum)]:
        raise TypeRefused(f"no word for {members[0]!r} in Literal")
    return {"kind": "literal", "values": [literal_value(arg) for arg in args]}


_GENERICS: Final[Mapping[Any, Callable[[Sequence[Any], _Read], FieldType]]] = {
    list: lambda args, read: {"kind": "list", "of": read(args[0])},
    set: lambda args, read: {"kind": "set", "of": read(args[0])},
    dict: _dict,
    tuple: _tuple,
    Union: _union,
    types.UnionType: _union,
    Literal: _literal,
}


def limits_of(type: FieldType, metadata: Iterable[Any]) -> dict[str, int | float]:
    limits: dict[str, int | float] = {}
    for item in metadata:
        for name, value in _limits_in(item):
            if name in limits or name in type.get("limits", {}):
                raise TypeRefused(f"limit '{name}' twice")
            if name not in limits_for(type["kind"]):
                raise TypeRefused(f"limit '{name}' is not for a type of kind {type['kind']}")
            limits[name] = limit_value(type["kind"], name, value)
    if limits and "limits" in type:
        raise TypeRefused("limits stand at one place")
    return limits


def _limits_in(item: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(item, FieldInfo):
        given: Mapping[str, Any] = getattr(item, "_attributes_set", {})
        if others := sorted(given.keys() - set(_LIMITS.values()) - {"annotation"}):
            raise TypeRefused(f"no word for {', '.join(others)} of Field inside a type")
        for inner in item.metadata:
            yield from _limits_in(inner)
    elif isinstance(item, GroupedMetadata):
        for inner in item:
            yield from _limits_in(inner)
    elif isinstance(item, BaseMetadata) and type(item) in _LIMITS:
        name = _LIMITS[type(item)]
        yield name, getattr(item, name)
    else:
        raise TypeRefused(f"no word for {item!r}")


class Customs:
    """The users' classes of one signature, by name, and the definitions they come to."""

    def __init__(self) -> None:
        self.defs: dict[str, JsonSchema] = {}
        self.classes: dict[str, type] = {}

    def add(self, cls: type) -> str:
        made = definition_of(cls)
        if made is None and cls.__module__.split(".")[0] == "dspy":
            raise TypeRefused(f"no word for dspy.{cls.__name__}")
        name = made.name if made else re.sub(r"[^a-zA-Z0-9_]", "_", cls.__name__)
        if fault := type_name_fault(name):
            raise TypeRefused(fault)
        if self.classes.setdefault(name, cls) is not cls:
            raise TypeRefused(f"two types are named '{name}'")
        if name not in self.defs or made is None:
            for key, schema in (made.defs if made else _definitions(cls, name)).items():
                if self.defs.setdefault(key, schema) != schema:
                    raise TypeRefused(f"two types are named '{key}'")
        return name


def _definitions(cls: type, name: str) -> Mapping[str, JsonSchema]:
    """Of a user's own class and of what it refers to."""
    try:
        schema = TypeAdapter(cls).json_schema(mode="validation", ref_template=f"{REF}{{model}}")
        found = cast(JsonSchema, checked_json(without_titles(schema)))
    except (PydanticUserError, PydanticSchemaGenerationError, NotJson) as error:
        raise TypeRefused(f"no JSON Schema for {cls.__name__}: {str(error).splitlines()[0]}") from error
    defs = cast("dict[str, JsonSchema]", found.pop("$defs", {}))
    if found.get("$ref") != f"{REF}{name}":
        defs[name] = found
    for key in defs:
        if fault := type_name_fault(key):
            raise TypeRefused(fault)
    return closure([name], defs)


def without_titles(schema: object, dropped: frozenset[str] = frozenset({"title"})) -> Any:
    """A copy of a JSON Schema without these keywords; names of properties are no keywords."""
    if isinstance(schema, list):
        return [without_titles(item, dropped) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", schema).items():
        if key in dropped:
            continue
        if key in ("properties", "$defs") and isinstance(value, dict):
            found[key] = {name: without_titles(member, dropped) for name, member in value.items()}
        else:
            found[key] = value if key in ("default", "const", "enum", "examples") else without_titles(value, dropped)
    return found
