"""Custom types: Python types made of the JSON Schemas of a spec.

1. A keyword that is not understood is refused: what is not checked must not look as if it were. The one exception is
   `format`, a note here: pydantic writes it of types such as dates, and the text of one is checked as any text.
2. Nothing of a schema is evaluated or imported: references go by number, and names are names of classes only.
3. A type keeps the schema it was made of, so that it is written back as it came.
4. References that come round lead through a list or a map; a default of a property fits its property.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import contextlib
import enum
import keyword
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, ForwardRef, cast

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
    create_model,
    model_serializer,
)
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import PydanticCustomError, SchemaError

from .._errors import SignatureRefused
from ._json import canonical_json
from ._names import is_name
from ._spec import REF, JsonSchema, closure, refs_in
from ._typing import exact_literal, looks_at_most, one_of

_NOTES: Final = frozenset(
    (
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$comment", "$schema", "format", "discriminator"),
    )
)
"""Keywords that change nothing of what is accepted; `default` is looked at where its property is."""
_TEXT: Final = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
_NUMBER: Final = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
_LENGTH: Final = {"minItems": "min_length", "maxItems": "max_length"}
_SIZE: Final = {"minProperties": "min_length", "maxProperties": "max_length"}
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset(_TEXT),
    "integer": frozenset(_NUMBER),
    "number": frozenset(_NUMBER),
    "array": frozenset(("items", "prefixItems", "uniqueItems", *_LENGTH)),
    "object": frozenset(("properties", "required", "additionalProperties", "propertyNames", *_SIZE)),
}
"""Keywords that speak of one type only."""
_UNIONS: Final = ("anyOf", "oneOf")
_MAX_DEPTH: Final = 32
_MAX_ROW: Final = 8
_LOOKS: Final = 100_000
_OF_ENUMS: Final = frozenset(("mro", "name", "value"))
_NOT_MADE: Final = (TypeError, ValueError, NameError, RecursionError)
_MARK: Final = "__troupe_definition__"


@dataclass(frozen=True)
class Definition:
    """What a class was made of."""

    name: str
    defs: Mapping[str, JsonSchema]
    """Its own and those it refers to."""


def definition_of(cls: type) -> Definition | None:
    found = vars(cls).get(_MARK)
    return found if isinstance(found, Definition) else None


class _Model(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True, protected_namespaces=())
    __troupe_optional__: ClassVar[frozenset[str]] = frozenset()
    """Attributes that may be absent and have no default."""

    @model_serializer(mode="wrap")
    def _leave_out_what_is_absent(self, dump: Any) -> dict[str, Any]:
        given = cast(object, self)
        if not isinstance(given, _Model):  # of a property that is absent: None, or its default as the schema has it
            return cast(Any, given)
        absent = self.__troupe_optional__ - self.model_fields_set
        names = absent | {type(self).model_fields[name].alias for name in absent}
        return {key: value for key, value in dump(self).items() if key not in names}


def types_of(defs: Mapping[str, JsonSchema]) -> dict[str, type]:
    """A Python type for every definition; raises `SignatureRefused`."""
    _refuse_circles(defs)
    reader = _Reader(defs)
    made = {name: reader.definition(name) for name in defs}
    namespace = {reader.numbers[name]: cls for name, cls in made.items()}
    for name, cls in made.items():
        setattr(cls, _MARK, Definition(name, closure([name], defs)))
    for cls in (*reader.inner, *made.values()):
        if issubclass(cls, BaseModel):
            with _refusing(f"defs.{cls.__name__}"):
                cls.model_rebuild(force=True, _types_namespace=namespace)
    with looks_at_most(_LOOKS) as looks:
        for default in reader.defaults:
            default.refuse_unless_it_fits()
    if looks.left < 0:
        raise SignatureRefused("defs: too many ways to read the defaults")
    return made


def _refuse_circles(defs: Mapping[str, JsonSchema]) -> None:
    """Refuses references that come round without a step into the value, where a check would not end, and long rows."""
    heights: dict[str, int] = {}

    def height(name: str, trail: tuple[str, ...]) -> int:
        if name in trail:
            raise SignatureRefused(f"defs: {' -> '.join((*trail[trail.index(name) :], name))} is a circle")
        if name not in heights and len(trail) < _MAX_ROW:
            heights[name] = 1 + max((height(next, (*trail, name)) for next in _same_value(defs.get(name))), default=0)
        if len(trail) + heights.get(name, 1) > _MAX_ROW:
            raise SignatureRefused(f"defs.{[*trail, name][0]}: more than {_MAX_ROW} references in a row")
        return heights[name]

    for name in defs:
        height(name, ())


def _same_value(schema: object) -> list[str]:
    """The definitions that are checked of the value itself, and not of what is in it."""
    if not isinstance(schema, dict):
        return []
    keys = cast("dict[str, object]", schema)
    members = [member for word in _UNIONS for member in cast("list[object]", keys.get(word) or [])]
    return refs_in({"$ref": keys.get("$ref")}) + [name for member in members for name in _same_value(member)]


class _Reader:
    def __init__(self, defs: Mapping[str, JsonSchema]) -> None:
        self._defs = defs
        self.numbers = {name: f"_definition_{index}" for index, name in enumerate(sorted(defs))}
        self.inner: list[type] = []
        """Models of objects that have no name of their own."""
        self.defaults: list[_Default] = []

    def definition(self, name: str) -> type:
        schema, path = self._defs[name], f"defs.{name}"
        if schema.get("properties") or (
            schema.get("type") == "object" and not isinstance(schema.get("additionalProperties"), dict)
        ):
            return self._model(name, schema, path, 1)
        values = schema.get("enum")
        if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
            self._known(schema, path, "type", "enum")
            if schema.get("type", "string") == "string" and len(set(values)) == len(values):
                return _enum(name, values)
        root = self._read(schema, path, 1)
        with _refusing(path):
            return create_model(name, __base__=RootModel[root], __doc__=_note(schema), __module__=__name__)

    def _read(self, schema: object, path: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise SignatureRefused(f"{path}: nested more than {_MAX_DEPTH} deep")
        if schema is True:
            return Any
        if not isinstance(schema, dict):
            raise SignatureRefused(f"{path}: {schema!r} is no JSON Schema that has values")
        keys = cast("dict[str, Any]", schema)
        if "$ref" in keys:
            return self._reference(keys, path)
        for name in _UNIONS:
            if name in keys:
                self._known(keys, path, name)
                members = self._list(keys[name], f"{path}.{name}")
                parts = [self._read(item, f"{path}.{name}.{at}", depth + 1) for at, item in enumerate(members)]
                return _one_of(parts, members)
        if "const" in keys:
            self._known(keys, path, "const", "type")
            return self._literal([keys["const"]], keys, path)
        if "enum" in keys:
            self._known(keys, path, "enum", "type")
            return self._literal(self._list(keys["enum"], f"{path}.enum"), keys, path)
        kind = keys.get("type")
        if isinstance(kind, list):
            members = [_of_one_type(keys, one) for one in self._list(kind, path)]
            return _one_of([self._read(member, path, depth + 1) for member in members], members)
        if kind is None:
            self._known(keys, path)
            return Any
        return self._of_type(kind, keys, path, depth)

    def _of_type(self, kind: object, keys: JsonSchema, path: str, depth: int) -> Any:
        match kind:
            case "string":
                return self._limited(str, keys, path, _TEXT)
            case "integer":
                return self._limited(int, keys, path, _NUMBER)
            case "number":
                return self._limited(float, keys, path, _NUMBER)
            case "boolean":
                self._known(keys, path, "type")
                return bool
            case "null":
                self._known(keys, path, "type")
                return type(None)
            case "array":
                return self._array(keys, path, depth)
            case "object":
                return self._object(keys, path, depth)
            case _:
                raise SignatureRefused(f"{path}: no type {kind!r}")

    def _reference(self, keys: JsonSchema, path: str) -> Any:
        self._known(keys, path, "$ref")
        ref = keys["$ref"]
        name = ref.removeprefix(REF) if isinstance(ref, str) and ref.startswith(REF) else None
        if name not in self.numbers:
            raise SignatureRefused(f"{path}: {ref!r} is no reference to a definition of the spec")
        return ForwardRef(self.numbers[name])

    def _literal(self, values: list[Any], keys: JsonSchema, path: str) -> Any:
        types = {"string": str, "integer": int, "number": int, "boolean": bool, "null": type(None)}
        wanted = keys.get("type")
        for value in values:
            if not isinstance(value, str | int | None):
                raise SignatureRefused(f"{path}: {value!r} is no text, whole number, boolean or null")
            if wanted is not None and types.get(str(wanted)) is not type(value):
                raise SignatureRefused(f"{path}: {value!r} is not of type {wanted}")
        return exact_literal(values)

    def _array(self, keys: JsonSchema, path: str, depth: int) -> Any:
        self._known(keys, path, "type", "items", "prefixItems", "uniqueItems", *_LENGTH)
        if "prefixItems" in keys:
            first = self._list(keys["prefixItems"], f"{path}.prefixItems")
            if {keys.get("minItems", len(first)), keys.get("maxItems", len(first))} != {len(first)}:
                raise SignatureRefused(f"{path}: prefixItems of another length than minItems and maxItems")
            if keys.get("items", False) is not False or "uniqueItems" in keys:
                raise SignatureRefused(f"{path}: items or uniqueItems beside prefixItems")
            parts = [self._read(item, f"{path}.prefixItems.{at}", depth + 1) for at, item in enumerate(first)]
            return tuple.__class_getitem__(tuple(parts))
        made = self._limited(list[self._read(keys.get("items", True), f"{path}.items", depth + 1)], keys, path, _LENGTH)
        return Annotated[made, AfterValidator(_unique)] if keys.get("uniqueItems") is True else made

    def _object(self, keys: JsonSchema, path: str, depth: int) -> Any:
        values = keys.get("additionalProperties", True)
        if not isinstance(values, dict):
            model = self._model("_".join(path.split(".")[1:]), keys, path, depth)
            self.inner.append(model)
            return model
        self._known(keys, path, "type", "additionalProperties", "propertyNames", *_SIZE)
        if keys.get("propertyNames", {"type": "string"}) != {"type": "string"}:
            raise SignatureRefused(f"{path}: propertyNames other than strings")
        of = self._read(values, f"{path}.additionalProperties", depth + 1)
        return self._limited(dict.__class_getitem__((str, of)), keys, path, _SIZE)

    def _model(self, name: str, keys: JsonSchema, path: str, depth: int) -> type[BaseModel]:
        self._known(keys, path, "type", "properties", "required", "additionalProperties")
        properties, required = keys.get("properties", {}), keys.get("required", [])
        extra = keys.get("additionalProperties")
        if (
            keys.get("type", "object") != "object"
            or not isinstance(properties, dict)
            or not isinstance(extra, bool | None)
        ):
            raise SignatureRefused(f"{path}: an object has properties, or additionalProperties with a schema, not both")
        if not isinstance(required, list) or not all(isinstance(it, str) and it in properties for it in required):
            raise SignatureRefused(f"{path}.required: no list of its properties")
        fields: dict[str, Any] = {}
        optional: set[str] = set()
        for index, (key, schema) in enumerate(cast("dict[str, Any]", properties).items()):
            attribute = key if _is_attribute(key) else f"property_{index}"
            while attribute != key and attribute in properties:
                attribute += "_"
            note = schema.get("description") if isinstance(schema, dict) else None
            how: dict[str, Any] = {"alias": key, "description": note if isinstance(note, str) else None}
            if key not in required:
                given = isinstance(schema, dict) and "default" in schema
                how["default"] = schema["default"] if given else None
                if not given:
                    optional.add(attribute)
            fields[attribute] = (self._read(schema, f"{path}.properties.{key}", depth + 1), Field(**how))
        # Absent, as in pydantic's own schemas, is not the same as true: what is not listed is left out.
        config = ConfigDict(extra="forbid" if extra is False else "allow" if extra else "ignore")
        with _refusing(path):
            made = create_model(name, __base__=_configured(config), __doc__=_note(keys), __module__=__name__, **fields)
        made.__troupe_optional__ = frozenset(optional)
        self.defaults += [
            _Default(made, attribute, f"{path}.properties.{how.alias}")
            for attribute, how in made.model_fields.items()
            if not how.is_required() and attribute not in optional
        ]
        return made

    def _limited(self, type: Any, keys: JsonSchema, path: str, words: Mapping[str, str]) -> Any:
        known = ("type", "items", "uniqueItems", "additionalProperties", "propertyNames")
        self._known(keys, path, *known, *words)
        limits = {words[key]: keys[key] for key in words if key in keys}
        if type is float:
            limits["allow_inf_nan"] = False
        with _refusing(path):
            return Annotated[type, Field(**limits)] if limits else type

    def _known(self, keys: JsonSchema, path: str, *words: str) -> None:
        if unknown := sorted(keys.keys() - _NOTES - set(words)):
            raise SignatureRefused(f"{path}: no word for {', '.join(unknown)} here")

    def _list(self, value: object, path: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise SignatureRefused(f"{path}: no list, or an empty one")
        return cast("list[Any]", value)


@dataclass(frozen=True)
class _Default:
    """What an absent property is taken to be."""

    model: type[BaseModel]
    attribute: str
    path: str

    def refuse_unless_it_fits(self) -> None:
        field = self.model.model_fields[self.attribute]
        try:
            self.model.model_validate_json(orjson.dumps({field.alias: field.default}), strict=True)
        except ValidationError as error:
            if faults := [fault["msg"] for fault in error.errors() if fault["loc"][0] == field.alias]:
                shown = canonical_json(field.default)[:100]
                raise SignatureRefused(f"{self.path}: the default {shown} does not fit: {faults[0]}") from None


def _one_of(parts: list[Any], schemas: list[Any]) -> Any:
    wanted = " or ".join(dict.fromkeys(map(_word_for, schemas)))
    return one_of(parts, wanted, counted=sum(bool(refs_in(schema)) for schema in schemas) > 1)


def _word_for(schema: Any) -> str:
    keys = cast("JsonSchema", schema) if isinstance(schema, dict) else {}
    if ref := refs_in({"$ref": keys.get("$ref")}):
        return ref[0]
    if "const" in keys or "enum" in keys:
        return " or ".join(canonical_json(value)[:50] for value in keys.get("enum", [keys.get("const")])[:10])
    return keys["type"] if isinstance(keys.get("type"), str) else "of another form"


def _of_one_type(keys: JsonSchema, type: object) -> JsonSchema:
    """Of `type: ["string", "null"]`: a keyword that speaks of texts says nothing about null."""
    others = {word for name, words in _WORDS.items() if name != type for word in words}
    own = _WORDS.get(str(type), frozenset())
    return {**{key: value for key, value in keys.items() if key in own or key not in others}, "type": type}


def _configured(config: ConfigDict) -> type[_Model]:
    return type("_Configured", (_Model,), {"model_config": config, "__module__": __name__})


def _enum(name: str, values: list[str]) -> type:
    # Members are named by their values where Python allows it: DSPy takes a member's name for its value.
    plain = all(is_name(value) and value not in _OF_ENUMS for value in values)
    members = [(value if plain else f"value_{index}", value) for index, value in enumerate(values)]
    return enum.Enum(name, members, module=__name__)  # pyright: ignore[reportReturnType]


def _is_attribute(key: str) -> bool:
    return is_name(key) and not keyword.iskeyword(key) and not hasattr(_Model, key) and not key.startswith("model_")


def _note(schema: JsonSchema) -> str | None:
    note = schema.get("description")
    return note if isinstance(note, str) else None


def _unique(items: list[Any]) -> list[Any]:
    texts = {canonical_json(item.model_dump(mode="json") if isinstance(item, BaseModel) else item) for item in items}
    if len(texts) != len(items):
        raise PydanticCustomError("unique", "Input should have no item twice")
    return items


@contextlib.contextmanager
def _refusing(path: str) -> Generator[None]:
    """What pydantic cannot make a type of, as a refusal."""
    try:
        yield
    except (PydanticUserError, PydanticSchemaGenerationError, SchemaError, *_NOT_MADE) as error:
        raise SignatureRefused(f"{path}: {' '.join(str(error).split())[:300]}") from error
