"""What a signature is, as data. The twin of `packages/signatures/src/spec.ts`, read strictly: specs come over the bus.

1. The hash covers everything that changes what a model is asked or what is accepted: all but the name.
2. A spec that is accepted is in its normal form, so that two equal signatures have one hash.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any, Final, Literal, cast

from typing_extensions import NotRequired, TypedDict

from .._errors import SignatureRefused
from ._field_type import MAX_ITEMS, FieldType, TypeRefused, custom_names, field_type
from ._json import NotJson, canonical_json, checked_json
from ._names import field_name_fault, type_name_fault

Io = Literal["input", "output"]
JsonSchema = dict[str, Any]


class SpecField(TypedDict):
    name: str
    io: Io
    type: FieldType
    desc: NotRequired[str]
    """Absent: DSPy's own, `${name}`."""


class Spec(TypedDict):
    v: Literal[1]
    name: str
    """For people."""
    instructions: str
    fields: list[SpecField]
    """Inputs, then outputs."""
    defs: dict[str, JsonSchema]
    """Of the custom types that the fields name, with everything they refer to."""
    hash: str


REF: Final = "#/$defs/"
_NAME_CHARS: Final = 200


def hash_of(instructions: str, fields: Sequence[SpecField], defs: Mapping[str, JsonSchema]) -> str:
    """32 hexadecimal digits: the first half of a SHA-256."""
    hashed = {"v": 1, "instructions": instructions, "fields": list(fields), "defs": dict(defs)}
    return hashlib.sha256(canonical_json(hashed).encode()).hexdigest()[:32]


def parse_spec(value: object) -> Spec:
    """A checked copy of `value`; raises `SignatureRefused`."""
    try:
        spec = _members(checked_json(value), "the spec", {"v", "name", "instructions", "fields", "defs", "hash"})
    except NotJson as error:
        raise SignatureRefused(str(error)) from None
    if spec["v"] is True or spec["v"] != 1:
        raise SignatureRefused(f"a spec of version {spec['v']!r}; this worker reads version 1")
    name, instructions = _text(spec["name"], "name"), _text(spec["instructions"], "instructions")
    if not 0 < len(name) <= _NAME_CHARS:
        raise SignatureRefused(f"name: 1 to {_NAME_CHARS} characters")
    if not instructions:
        raise SignatureRefused("instructions: DSPy would write its own for an empty text; write them out")
    if instructions != inspect.cleandoc(instructions):
        raise SignatureRefused("instructions: DSPy would change their indentation; write what inspect.cleandoc gives")
    defs = _defs(spec["defs"])
    fields = _fields(spec["fields"], defs)
    found = hash_of(instructions, fields, defs)
    if spec["hash"] != found:
        raise SignatureRefused(f"the hash is {spec['hash']!r}, but the spec comes to {found}")
    return {"v": 1, "name": name, "instructions": instructions, "fields": fields, "defs": defs, "hash": found}


def _fields(value: object, defs: Mapping[str, JsonSchema]) -> list[SpecField]:
    if not isinstance(value, list):
        raise SignatureRefused("fields: no list")
    given = cast("list[object]", value)
    if len(given) > 2 * MAX_ITEMS:
        raise SignatureRefused(f"fields: {len(given)}; there are at most {MAX_ITEMS} on each side")
    fields = [_field(field, defs) for field in given]
    names = Counter(field["name"] for field in fields)
    if twice := sorted(name for name, times in names.items() if times > 1):
        raise SignatureRefused(f"fields: {', '.join(twice)} twice")
    sides = [field["io"] for field in fields]
    if sides != sorted(sides):
        raise SignatureRefused("fields: inputs come first")
    for side in ("input", "output"):
        if not 0 < sides.count(side) <= MAX_ITEMS:
            raise SignatureRefused(f"fields: {sides.count(side)} {side} fields; there are 1 to {MAX_ITEMS}")
    used = closure([name for field in fields for name in custom_names(field["type"])], defs)
    if unused := sorted(defs.keys() - used.keys()):
        raise SignatureRefused(f"defs: no field uses {', '.join(unused)}")
    return fields


def _field(value: object, defs: Mapping[str, JsonSchema]) -> SpecField:
    field = _members(value, "a field", {"name", "io", "type"}, ("desc",))
    name = _text(field["name"], "a field's name")
    if field["io"] not in ("input", "output"):
        raise SignatureRefused(f"field '{name}': io is input or output, not {field['io']!r}")
    try:
        made = spec_field(name, field["io"], field["type"], defs)
    except TypeRefused as error:
        raise SignatureRefused(f"field '{name}': {error}") from None
    if "desc" in field:
        made["desc"] = _text(field["desc"], f"field '{name}': desc")
    return made


def spec_field(name: str, io: Io, type: object, customs: Container[str]) -> SpecField:
    """A field with its name and type checked; raises `TypeRefused`."""
    if fault := field_name_fault(name):
        raise TypeRefused(fault)
    checked = field_type(type, customs)
    if io == "input" and name == "prediction" and _may_be_map(checked):
        # {"type": "content", …} would go to the provider as the text it should expect, and not into the prompt.
        raise TypeRefused("dspy.Predict may take a map of this name for its own; call it otherwise")
    return {"name": name, "io": io, "type": checked}


def _may_be_map(type: FieldType) -> bool:
    return any(map(_may_be_map, type["of"])) if type["kind"] == "union" else type["kind"] in ("dict", "Any", "custom")


def _defs(value: object) -> dict[str, JsonSchema]:
    if not isinstance(value, dict):
        raise SignatureRefused("defs: no map")
    defs: dict[str, JsonSchema] = {}
    for name, schema in cast("dict[str, object]", value).items():
        if fault := type_name_fault(name):
            raise SignatureRefused(f"defs: {fault}")
        if not isinstance(schema, dict):
            raise SignatureRefused(f"defs.{name}: no JSON Schema")
        defs[name] = cast(JsonSchema, schema)
    return defs


def closure(names: Collection[str], defs: Mapping[str, JsonSchema]) -> dict[str, JsonSchema]:
    """The definitions of `names` and of all they refer to; raises `SignatureRefused` for one that is not there."""
    found: dict[str, JsonSchema] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in defs:
            raise SignatureRefused(f"defs: no {name}, which is referred to")
        found[name] = defs[name]
        waiting += refs_in(defs[name])
    return {name: found[name] for name in sorted(found)}


def refs_in(schema: object) -> list[str]:
    """The names that a JSON Schema refers to. A `$ref` of another form is refused where the schema is read."""
    if isinstance(schema, list):
        return [name for item in cast("list[object]", schema) for name in refs_in(item)]
    if not isinstance(schema, dict):
        return []
    members = cast("dict[str, object]", schema)
    ref = members.get("$ref")
    own = [ref.removeprefix(REF)] if isinstance(ref, str) and ref.startswith(REF) else []
    return own + [name for member in members.values() for name in refs_in(member)]


def _members(value: object, what: str, needed: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SignatureRefused(f"{what}: no map")
    members = cast("dict[str, Any]", value)
    if missing := sorted(set(needed) - members.keys()):
        raise SignatureRefused(f"{what}: no {', '.join(missing)}")
    if unknown := sorted(members.keys() - set(needed) - set(optional)):
        raise SignatureRefused(f"{what}: unknown {', '.join(unknown)}")
    return members


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise SignatureRefused(f"{what}: no text")
    return value
