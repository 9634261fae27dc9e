"""What DSPy makes of some hundreds of texts: `python python/tests/signature_corpus.py > test/golden/signatures.json`.

Both parsers are held to the file: a text that they accept means to DSPy what they say, and is no trap.

1. Every verdict is DSPy's own. Whether it is a trap is found by comparing: with the text as Python's `ast` reads it,
   with what `dspy.Predict` does with the fields, and with what was warned about or imported on the way.
2. The same texts on every run. No text can import anything but a few harmless modules.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportPrivateUsage=false

from __future__ import annotations

import ast
import contextlib
import enum
import importlib
import json
import logging
import random
import re
import sys
import types
import typing
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, Final, cast, get_args, get_origin

import dspy
import dspy.signatures.signature
import pydantic
from dspy.adapters.utils import annotation_allows_none
from pydantic import BaseModel, create_model

from troupe_worker.signatures import spec_of
from troupe_worker.signatures._dump import Customs, limits_of, type_of, without_titles
from troupe_worker.signatures._field_type import (
    LIMITS,
    FieldType,
    TypeRefused,
    field_type,
    literal_value,
    text_of,
    union_of,
)

Wire = dict[str, Any]
SEED: Final = 20_261_125
VALID: Final = 170
MUTATED: Final = 120
_HARMLESS: Final = frozenset(("dspy", "datetime", "decimal", "uuid", "string", "array", "enum", "json"))


class Person(BaseModel):
    name: str
    age: int | None = None


class Color(enum.Enum):
    red = "red"
    green = "green"


CUSTOM: Final[Mapping[str, Any]] = {"Person": Person, "Color": Color}


def typed(*types: str) -> Iterable[str]:
    return (f"q -> a: {type}" for type in types)


def literal(*values: str) -> Iterable[str]:
    return typed(*(f"Literal[{value}]" for value in values))


def limited(type: str, *limits: str) -> Iterable[str]:
    return typed(*(f"Annotated[{type}, Field({limit})]" for limit in limits))


CURATED: Final[Sequence[str]] = (
    # fields and space
    *("question, context -> answer", "q->a", " q  ->  a ", "q,r->a,b", "q, -> a,", "q,r, -> a, b,", "\nq\n->\na\n"),
    *("\n  q: str,\n\tn : int ,\n -> a: float,\r\n", "q\t:\tint->a", "q:str->a:str", "q :str -> a :str"),
    *("q,\r\n r -> a", "Q -> A", "q1, q_2, camelCase, HTMLText -> a_", "model_name -> Class, match, type"),
    *("case -> match", "print -> len", "self -> cls", "q\f -> a", "q\v -> a", "q\u00a0-> a", "q -> a\\\n"),
    *("q \\\n-> a", "q -> a;", "(q) -> a", "q -> -> a", "q - > a", "q —> a", "q => a", "q -> a -> b", "", "->"),
    *(" -> ", "q", "q, r", "q ->", "-> a", "q,, r -> a", ", q -> a", "q -> , a", "q -> a,,", "q r -> a", "q -> a b"),
    *("q:: int -> a", "q: int: str -> a", "q: -> a", ": int -> a", "q, r: int, s -> a: bool, b, c: float"),
    *("input -> output", "text -> items, keys, values", "text -> completed", "text -> completions"),
    *("reasoning -> reasoning_", "q -> reasoning", "context, inputs -> labels"),
    # names
    *("class -> a", "q -> def", "q -> None", "True -> a", "q -> lambda", "async -> await", "_q -> a", "__q -> a"),
    *("q -> _", "straße -> a", "q -> naïve", "ﬁ -> a", "q, ﬁ, fi -> a", "名前 -> a", "1a -> b", "q -> a-b"),
    *("a.b -> c", "q? -> a", "q! -> a", "q?: str -> a", "'q' -> a", "q -> a$", "q: int; r -> a"),
    *("q + r -> a", "q -> a,b,c,d,e,f,g,h"),
    *(f"{name} -> a" for name in ("copy", "json", "dict", "schema", "validate", "construct", "fields", "instructions")),
    *(f"q -> {name}" for name in ("copy", "json", "schema", "signature", "model_fields", "append", "mro", "register")),
    *(f"{name}, q -> a" for name in ("demos", "config", "lm", "signature")),
    *(f"{name}, q -> a" for name in ("new_signature", "prediction", "trace", "n")),
    *(f"q -> {name}" for name in ("demos", "config", "lm")),
    *(f"q -> {name}" for name in ("new_signature", "prediction", "temperature", "model_config")),
    *("prediction: dict[str, Any] -> a", "prediction: Any -> a", "prediction: Person -> a"),
    *("prediction: dict | None -> a", "prediction: list[dict] -> a", "gold, prediction: str -> a", "q -> self"),
    *("prediction: dict -> b", "model_dump -> a", "model_x -> a", "with_instructions -> a", "q -> output_fields"),
    *("input_fields -> a", "q -> load_state", "equals -> a", "delete, insert -> prepend"),
    # one name more than once
    *("q, q -> a", "q, q: int -> a", "q: int, q -> a", "q -> a, a", "q -> a: int, a: str", "q -> q", "q, a -> a, b"),
    # defaults, stars and slashes
    *("q: int = 5 -> a", "q=5 -> a", "q = 'x' -> a", "q: str = None -> a", "q -> a = 1", "q -> a: list[str] = []"),
    *("q, r=1 -> a", "q: int=5, r: int=6 -> a", "*, q -> a", "q, *, r -> a", "q, / -> a", "q, /, r -> a"),
    *("/, q -> a", "*q -> a", "q, *r -> a", "**q -> a", "q, **r -> a", "q -> *a", "q -> a, *, b", "q -> a, /, b"),
    *("q, *r: int -> a", "* -> a", "q -> *", "q, *, r=1 -> a"),
    # comments, and leaving the parentheses
    *("q # the question\n -> a", "q, # one, two\n r -> a", "q -> a # short", "q: int # ( \n -> a", "# q -> a"),
    *("q -> # a", "q): pass\ndef g(r -> a", "q -> a): pass\ndef g(b", "q -> a): return 1 #", "q): pass # -> a"),
    *("q -> a): pass; (b", "q -> a, b): pass\nclass C(d", "q -> a) : pass\nx = (b", "q:(int -> a", "q: int) -> a"),
    *("q: (int) -> a", "q: ((str)) -> a"),
    # plain types
    *(f"q: {name} -> a: {name}" for name in ("str", "int", "float", "bool", "Any")),
    *(f"q: {name} -> a: {name}" for name in ("None", "list", "dict", "tuple", "set")),
    *typed("List", "Dict", "Tuple", "Set", "Optional", "Union", "Literal", "Annotated", "complex", "bytes"),
    *typed("bytearray", "frozenset", "object", "type", "NoneType", "Text", "Sequence[int]", "Mapping[str, int]"),
    *typed("Iterable[str]", "FrozenSet[int]", "Type[int]", "frozenset[int]", "Callable", "Hashable", "AnyStr"),
    *typed("Final[int]", "ClassVar[int]", "NamedTuple", "TypedDict", "Optional[bytes]", "list[bytes]"),
    *typed("string", "String", "number", "boolean", "integer", "array", "null", "undefined", "any"),
    *typed("unknown", "double", "Array[str]", "Persn", "person", "T", "Int", "STR", "dspy.Image"),
    *typed("list[dspy.Image]", "dspy.History", "dspy.Nothing", "datetime.datetime", "datetime"),
    *typed("datetime.date | None", "decimal.Decimal", "uuid.UUID", "typing.List[int]", "dspy"),
    *typed("json.JSONDecoder", "list[datetime.datetime]", "os.path", "a.b.c"),
    # values where types belong
    *typed("5", "5.5", "True", "None", "...", "'str'", '"int"', "b'x'", "-1", "1j", "()", "[]", "(int, str)"),
    *typed("[int]", "{}", "{int}", "int, str", "int or str", "int and str", "not int", "int if str else bool"),
    *typed("lambda: int", "int()", "str(int)", "f'x'", "int & str", "~int", "int + str", "int < str", "x := int"),
    *typed("*int", "yield", "await q", "int.real", "str.join", "list['str']", "list['Person']", "dict['str', int]"),
    *typed("Optional['int']", "'int' | None", "Union['int', None]", "list['a']", "tuple['int', ...]"),
    *typed("List['int']", "list[1]"),
    # unions
    *typed("int | None", "None | int", "Optional[int]", "Union[int, None]", "Union[None, int]", "int | str"),
    *typed("str | int", "int|str|None", "int | None | str", "None | int | str | None", "Union[int, str, None]"),
    *typed("Union[int, Optional[str]]", "Optional[int | str]", "int | int", "Optional[Optional[int]]"),
    *typed("Union[int, int]", "Union[int]", "Union[int | str, int]", "Optional[None]", "None | None"),
    *typed("Union[None, None]", "Optional[Any]", "Any | None", "bool | int", "int | bool | float", "float | int"),
    *typed("list[int] | list[str]", "list | None", "list[int] | list[int]", "dict | list", "Optional[dict]"),
    *typed("list[None]", "tuple[None, int]", "dict[str, None]", "list[int | None] | None"),
    *typed("Optional[Union[int, str]]", "Union[()]", "int |", "| int", "int || str", "Optional", "Optional[]"),
    *typed("Optional[int, str]", "Union[]", "Optional[int,]", "Union[int,]", "Union[int, str,]"),
    *typed("(int | str) | None", "int | (str | None)"),
    *("q: None -> a", "q: None | None -> a", "q: Optional[None] -> a"),
    *("q -> a: list | dict | None", "q -> a: Optional[Person]"),
    # containers
    *typed("list[str]", "List[str]", "list[ str ]", "list [str]", "list[list[int]]", "list[int, str]", "list[]"),
    *typed("list[int", "list[int]]", "list[int,]", "list[int,,]", "list[(int)]", "list[...]", "list[int, ...]"),
    *typed("list[int][str]", "List[int, str]", "list[Any]", "list[list]", "list[dict]", "dict[str, int]"),
    *typed("Dict[str, int]", "dict[int, str]", "dict[str,dict[str,list[int]]]", "dict[str]", "dict[]"),
    *typed("dict[str, int, bool]", "dict[float, str]", "dict[bool, str]", "dict[Any, str]", "dict[int | int, str]"),
    *typed("dict[int | str, str]", "dict[Color, int]", "dict[Literal['a'], int]", "dict[tuple[int, int], str]"),
    *typed("dict[None, int]", "dict[str, Any]", "tuple[int]", "tuple[int,]", "tuple[int, str]", "Tuple[int, str]"),
    *typed("tuple[int, ...]", "Tuple[int, ...]", "tuple[...]", "tuple[int, str, ...]", "tuple[..., int]"),
    *typed("tuple[()]", "tuple[]", "tuple[int ,  ... ]", "tuple[tuple[int, str], ...]", "tuple[(int, str)]"),
    *typed("set[str]", "Set[int]", "set[int | str]", "set[Any]", "set[list[int]]", "set[Person]"),
    *typed("set[Literal['a', 'b']]", "set[tuple[int, ...]]", "set[None]", "set[float]", "set[Color]", "str[int]"),
    *typed("int[5]", "Person[int]", "Any[int]", "bool[str]", "None[int]", "q[int]"),
    *(f"q -> a: {'list[' * depth}int{']' * depth}" for depth in (7, 8, 9, 20)),
    *(f"q -> a: {'Optional[' * depth}int{']' * depth}" for depth in (8, 9)),
    # literals
    *literal("'x'", '"x"', "'x', 'y'", "'y', 'x'", "'x','y',", "'x',,'y'", "", "'x'", "'x', \"y\"", "'x y, z'"),
    *literal("'[x]'", "'x]', 'y'", "'#x'", "' x '", "''", "\"it's\"", "'say \"no\"'", "'it\\'s'", "'x\\n'"),
    *literal("'x\\\\y'", "r'x'", "u'x'", "f'x'", "b'x'", "'x' 'y'", "'x'\n'y'", "('x')", "('x', 'y')", "['x']"),
    *literal("'''x'''", '"""x"""', "'é'", "'日本'", "'😀'", "'\t'", "'a->b'", "'a - > b'", "1", "1, 2, 3", "0", "00"),
    *literal("007", "1_000", "0x1F", "1e3", "1.5", "1.0", "-1", "- 1", "+1", "999999999999999", "9007199254740993"),
    *literal("1" * 30, "True", "False", "None", "True, False", "1, True", "0, False, None", "True, 1", "'1', 1"),
    *literal("'x', 'x'", "1, 1", "'x', \"x\"", "True, True", "yes", "yes, no", "x.y", "str", "Literal['x']"),
    *literal("Literal['x'], 'y'", "int", "Color.red", "None, None", "..."),
    *typed("Literal", "Literal['x'", "Literal['x", "Literal['x\"]", "Literal'x'", "Literal('x')"),
    *typed("Literal['b', 'a'] | None", "Optional[Literal['b', 'a']]", "list[Literal['x']]"),
    *typed("Literal['a'] | Literal['b']", "Literal['a'] | Literal['a']", "Literal['a', 'b'] | str"),
    *typed("Literal['a', 'b'] | Literal['b', 'a']", "list[Literal['a', 'b']] | list[Literal['b', 'a']]"),
    *typed("Literal[1] | Literal[True]", "dict[str, Literal[0, 1]]", "tuple[Literal[1], Literal[2]]"),
    "q: Literal['a', 'b'] | None -> a: Literal['b', 'a'] | None",
    "q: Optional[Literal['a', 'b']], r: Optional[Literal['b', 'a']] -> a: list[Optional[Literal['b', 'a']]]",
    "q: list[Literal['a', 'b']] | None -> a: list[Literal['b', 'a']] | None",
    "q: Literal['a', 'b'] -> a: Literal['b', 'a']",
    # limits
    *limited("float", "ge=0", "ge=0, le=1", "le=1,ge=0", "gt=0.5", "lt=100", " ge = 0 , le = 1.50 ", "ge=0,"),
    *limited("float", "ge=0 le=1", "", "0", "5", "...", "None", "ge=-1", "ge=+1", "ge=1e3", "ge=.5", "ge=5."),
    *limited("float", "ge='0'", "ge=True", "ge=None", "ge=0, ge=1", "ge=x", "ge=int", "min=0", "minimum=0"),
    *limited("float", "default=1", "description='d'", "alias='b'", "multiple_of=2", "title='t'", "ge=00"),
    *limited("float", "ge=0.0000001", "ge=1_0", "ge=1, gt=0", "ge=5, le=1", "ge=123456789.25", "ge=1.0, le=2.00"),
    *limited("float", "strict=True", "ge=0, desc='x'", "min_length=1", "**x", "*x"),
    *limited("int", "ge=0", "ge=0.5", "ge=1.0", "ge=0, lt=10", "max_length=5", "gt=0"),
    *limited("str", "min_length=1", "max_length=10", "ge=0", "min_length=1.5", "min_length=1, max_length=5"),
    *limited("str", "pattern='^a'", "min_length=0"),
    *(f"q -> a: Annotated[{type}, Field(min_length=1)]" for type in ("list[int]", "set[str]")),
    *(f"q -> a: Annotated[{type}, Field(min_length=1)]" for type in ("dict[str, int]", "list", "bool")),
    *(f"q -> a: Annotated[{type}, Field(min_length=1)]" for type in ("tuple[int, ...]", "tuple")),
    *(f"q -> a: Annotated[{type}, Field(min_length=1)]" for type in ("Any", "str | None", "Person")),
    *(f"q -> a: Annotated[{type}, Field(ge=0)]" for type in ("bool", "int | None", "Optional[int]")),
    *(f"q -> a: Annotated[{type}, Field(ge=0)]" for type in ("int | float", "Any", "Literal[1]")),
    *typed("Annotated[int, Field(ge=0)] | None", "Optional[Annotated[int, Field(ge=0)]]", "Annotated[int]"),
    *typed("list[Annotated[str, Field(min_length=1)]]", "dict[str, Annotated[int, Field(ge=0)]]"),
    *typed("Annotated[int, 'note']", "Annotated[int, 5]", "Annotated[int, str]", "Annotated[int, Field]"),
    *typed("Annotated[int, Field(ge=0), Field(le=1)]", "Annotated[int, Field(ge=0), 'note']", "Annotated"),
    *typed("Annotated[Annotated[int, Field(ge=0)], Field(le=1)]", "Annotated[int, Field(ge=0)"),
    *typed("Annotated[Annotated[int, Field(ge=0)], Field(ge=1)]", "Annotated[int, field(ge=0)]"),
    *typed("Annotated[int, Field(ge=0)], b: int", "Annotated[int, pydantic.Field(ge=0)]", "Field(ge=0)"),
    *typed("Annotated[Annotated[int, Field(ge=0)] | None, Field(ge=1)]", "list[Field(ge=0)]"),
    *typed("Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=5)] | None", "int(ge=0)"),
    "q: Annotated[int, Field(ge=0)], r: Annotated[str, Field(max_length=3)] -> a: Annotated[float, Field(lt=1)], b",
    "q -> a: Annotated[int, Field(ge=0)] | Annotated[int, Field(ge=1)]",
    "q -> a: Annotated[int, Field(ge=0)] | Annotated[int, Field(ge=0)]",
    # custom types
    *("q: Person -> a: Color", "q: list[Person] -> a: dict[str, Person]", "q: Person | None -> a: Optional[Color]"),
    *("q -> a: Person | Color | str", "Person -> Color", "q: Person.name -> a", "q: person -> a"),
    *("q -> a: tuple[Person, ...]", "q: Person, r: Person -> a: list[Person | None], b: Color", "q: 'Person' -> a"),
    *("q: Person() -> a", "Person: Person -> a"),
)  # fmt: skip


def main() -> None:
    print(corpus(), end="")


def corpus() -> str:
    """The text of the golden file: one line per entry, so that a change shows where it is."""
    head = {
        "about": "What DSPy makes of signatures. See python/tests/signature_corpus.py, which wrote this.",
        "made_with": made_with(),
        "defs": _definitions(),
    }
    texts = list(dict.fromkeys((*CURATED, *_random_texts())))
    lists = {"specs": [_spec(*it) for it in _SPECS], "texts": [entry(text) for text in texts]}
    parts = [f"{_dumps(name)}: {_dumps(value)}" for name, value in head.items()]
    parts += [f"{_dumps(name)}: [\n{f',{chr(10)}'.join(map(_dumps, rows))}\n]" for name, rows in lists.items()]
    return f"{{\n{f',{chr(10)}'.join(parts)}\n}}\n"


def made_with() -> Wire:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, "dspy": dspy.__version__, "pydantic": ".".join(pydantic.VERSION.split(".")[:2])}


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _definitions() -> Wire:
    customs = Customs()
    for cls in CUSTOM.values():
        customs.add(cls)
    return customs.defs


_SPECS: Final[Sequence[tuple[str, str | None, Mapping[str, str]]]] = (
    ("question, context -> answer", None, {}),
    ("q: list[Person] -> color: Color | None, why", "Say “why”.\n\n  Briefly.", {"why": "in a line\u2028or two"}),
    ("q: Literal['b', 'a', 1, True] -> a: Annotated[float, Field(ge=0.000001, le=0.5)]", None, {"q": "", "a": "é 😀"}),
    ("q: dict[int, tuple[int, str]] -> a: Annotated[list[str], Field(max_length=5)], b: set[int]", None, {}),
)  # fmt: skip


def _spec(text: str, instructions: str | None, descs: Mapping[str, str]) -> Wire:
    """A text and what is said beside it, as a whole spec with its hash."""
    made: Any = dspy.make_signature(text, instructions, "Spec", custom_types=dict(CUSTOM))
    for name, desc in descs.items():
        made = made.with_updated_fields(name, desc=desc)
    made.__name__ = "Spec"
    return {"text": text, "types": list(CUSTOM), "spec": spec_of(made)}


def entry(text: str) -> Wire:
    types = [name for name in CUSTOM if name in text]
    head: Wire = {"text": text, **({"types": types} if types else {})}
    _forget()
    with _watching() as seen:
        try:
            made: Any = dspy.make_signature(text, custom_types=dict(CUSTOM))
        except Exception as error:
            return {**head, "dspy": {"error": _shown(error)}}
    fields = [_field(name, info) for name, info in made.fields.items()]
    traps = [*seen, *_against_text(text, made), *_against_predict(made)]
    return {**head, "dspy": {"fields": fields}, **({"trap": "; ".join(dict.fromkeys(traps))} if traps else {})}


def _shown(error: Exception) -> str:
    """The class, and the first line without what changes from run to run, or with every version of Python."""
    name = type(error).__name__
    if isinstance(error, SyntaxError):
        return name
    line = (str(error).splitlines() or [""])[0]
    return f"{name}: {_PASSING.sub('', line)[:120]}"


_PASSING: Final = re.compile(r" at 0x[0-9a-f]+| from '[^']*'|(?<=[A-Za-z])\(\w+=.*")


def _forget() -> None:
    """What `typing` made for one text must not be what the next one gets."""
    for forget in getattr(typing, "_cleanups", ()):
        forget()


@contextlib.contextmanager
def _watching() -> Generator[list[str]]:
    """Collects what DSPy imports and warns about on its way."""
    seen: list[str] = []

    def import_module(name: str) -> Any:
        if name not in _HARMLESS:
            raise ImportError(name)
        seen.append(f"imports the module '{name}'")
        return importlib.import_module(name)

    theirs = dspy.signatures.signature
    theirs.importlib = types.SimpleNamespace(import_module=import_module)  # pyright: ignore
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield seen
    finally:
        theirs.importlib = importlib
    for warning in warned:
        line = str(warning.message).split(". ")[0].replace("StringSignature", "Signature")
        seen.append(f"warns: {line}")


def _field(name: str, info: Any) -> Wire:
    return {
        "name": name,
        "io": info.json_schema_extra["__dspy_field_type"],
        "type": _type_text(info, whole_field=True),
        "optional": annotation_allows_none(info.annotation),
        "schema": _schema(info.rebuild_annotation()),
    }


def _type_text(info: Any, *, whole_field: bool = False) -> str | None:
    """The canonical text of what DSPy made; None where the grammar has no word for it, or not there."""
    if whole_field and (not info.is_required() or info.alias is not None):
        return None
    try:
        plain = type_of(info.annotation, Customs())
        limits = limits_of(plain, info.metadata)
        made = {**plain, "limits": limits} if limits else plain
        return text_of(field_type(made, CUSTOM) if whole_field else made)
    except TypeRefused:
        return None


def _schema(annotation: Any) -> Any:
    """Pydantic's JSON Schema; None where it has none. `Person` and `Color` stand at the head of the file."""
    try:
        schema = create_model("Field", x=(annotation, ...)).model_json_schema()["properties"]["x"]
    except Exception:
        return None
    return without_titles(schema)


# What the text says, as Python reads it.


def _against_text(text: str, made: Any) -> Iterable[str]:
    for side, io, fields in zip(
        text.split("->"), ("input", "output"), (made.input_fields, made.output_fields), strict=True
    ):
        body = ast.parse(f"def f({side}): pass").body
        function = cast(ast.FunctionDef, body[0])
        if len(body) > 1 or not isinstance(function.body[0], ast.Pass) or len(function.body) > 1:
            yield "reads on behind the fields"
        arguments = function.args
        if any(default is not None for default in (*arguments.defaults, *arguments.kw_defaults)):
            yield "drops the default"
        every = (*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg)
        said = [argument for argument in every if argument is not None]
        names = [argument.arg for argument in said]
        if lost := [name for name in names if name not in fields]:
            yield f"loses {', '.join(lost)}"
        if any(names.count(name) > 1 for name in names):
            yield "takes the last of two fields of one name"
        if not names:
            yield f"no {io} fields"
        for argument in said:
            if argument.arg in fields and names.count(argument.arg) == 1:
                yield from _against_annotation(argument, fields[argument.arg])


def _against_annotation(argument: ast.arg, info: Any) -> Iterable[str]:
    if argument.annotation is None:
        return
    if any(map(_is_quoted, _types_in(argument.annotation))):
        yield f"has a quoted type in '{argument.arg}', which pydantic evaluates as Python"
    if info.is_required() and any(map(_has_default, ast.walk(argument.annotation))):
        yield "drops the default"
    try:
        said = text_of(_said(argument.annotation))
    except TypeRefused:
        if not _equal(argument.annotation, info):
            yield f"takes '{argument.arg}' for {_name(info.annotation)}"
        return
    made = _type_text(info)
    if made is not None and said != made and sorted(said) == sorted(made):
        yield f"'{argument.arg}' is {said}, and becomes {made}: typing forgets the order"
    elif said != made:
        yield f"'{argument.arg}' is {said}, and becomes {made or _name(info.annotation)}"


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or type(annotation).__name__


def _said(node: ast.expr) -> FieldType:
    """The type that a piece of text stands for, in the words of the grammar; raises `TypeRefused` where it has none."""
    match node:
        case ast.Constant(value=None):
            return {"kind": "None"}
        case ast.Name(id=name) if name in ("str", "int", "float", "bool", "Any"):
            return {"kind": name}
        case ast.Name(id=name) if name in CUSTOM:
            return {"kind": "custom", "name": name}
        case ast.Name(id="list" | "List"):
            return {"kind": "list", "of": {"kind": "Any"}}
        case ast.Name(id="dict" | "Dict"):
            return {"kind": "dict", "key": "str", "of": {"kind": "Any"}}
        case ast.Name(id="tuple" | "Tuple"):
            return {"kind": "tuple_of", "of": {"kind": "Any"}}
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return union_of([_said(left), _said(right)])
        case ast.Subscript(value=ast.Name(id=name), slice=inside):
            return _said_generic(name, inside.elts if isinstance(inside, ast.Tuple) else [inside])
        case _:
            raise TypeRefused("no word")


def _said_generic(name: str, inside: Sequence[ast.expr]) -> FieldType:
    match name.lower(), inside:
        case ("list" | "set") as kind, [one]:
            return {"kind": kind, "of": _said(one)}
        case "dict", [ast.Name(id=("str" | "int") as key), value]:
            return {"kind": "dict", "key": key, "of": _said(value)}
        case "tuple", [one, ast.Constant(value=end)] if end is ...:
            return {"kind": "tuple_of", "of": _said(one)}
        case "tuple", [_, *_]:
            return {"kind": "tuple", "of": [_said(part) for part in inside]}
        case "optional", [one]:
            return union_of([_said(one), {"kind": "None"}])
        case "union", [_, *_]:
            return union_of([_said(part) for part in inside])
        case "literal", [_, *_] if all(isinstance(part, ast.Constant) for part in inside):
            values = [literal_value(cast(ast.Constant, part).value) for part in inside]
            unique = {(type(value), value): value for value in values}
            return {"kind": "literal", "values": list(unique.values())}
        case "annotated", [one, ast.Call(func=ast.Name(id="Field"), args=[], keywords=[_, *_] as given)]:
            limits = {word.arg: word.value.value for word in given if isinstance(word.value, ast.Constant)}
            read = _said(one)
            if len(limits) < len(given) or "limits" in read or limits.keys() - set(LIMITS):
                raise TypeRefused("no word")
            return {**read, "limits": limits_of(read, [pydantic.Field(**cast(Any, limits))])}
        case _:
            raise TypeRefused("no word")


_READ: Final = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant, ast.BinOp, ast.BitOr),
    *(ast.Call, ast.keyword, ast.Load, ast.expr_context),
)


def _equal(node: ast.expr, info: Any) -> bool:
    """Whether Python makes the same of it as DSPy did; only types are evaluated, and no text but ours comes here."""
    if not all(isinstance(part, _READ) for part in ast.walk(node)):
        return False
    names = {name: value for name, value in vars(typing).items() if name in typing.__all__}
    plain = {
        cls.__name__: cls
        for cls in (str, int, float, bool, list, dict, tuple, set, frozenset, complex, bytes, bytearray)
    }
    modules = {name: importlib.import_module(name) for name in _HARMLESS}
    scope = {**modules, **names, **plain, **CUSTOM, "Field": pydantic.Field, "NoneType": type(None), "__builtins__": {}}
    _forget()
    try:
        value = eval(compile(ast.Expression(node), "<annotation>", "eval"), scope)
        said = create_model("Said", x=(value, ...)).model_fields["x"]
    except Exception:
        return False
    return _parts(said.rebuild_annotation()) == _parts(info.rebuild_annotation())


def _parts(annotation: Any) -> Any:
    """What a type is made of; `int | str` and `Union[int, str]` are made of the same."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if not parts:
        return repr(annotation)
    return ["Union" if origin is types.UnionType else repr(origin).removeprefix("typing."), *map(_parts, parts)]


def _types_in(node: ast.AST) -> Iterable[ast.AST]:
    """Where types stand: not in `Literal`, nor behind the type of `Annotated`."""
    yield node
    for part in ast.iter_child_nodes(node):
        match node:
            case ast.Subscript(value=ast.Name(id="Literal")):
                continue
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *_])) if part is node.slice:
                yield from _types_in(first)
            case _:
                yield from _types_in(part)


def _is_quoted(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _has_default(node: ast.AST) -> bool:
    match node:
        case ast.Call(args=[ast.Constant(value=value), *_]):
            return value is not ...
        case ast.Call(keywords=given):
            return any(word.arg == "default" for word in given)
        case _:
            return False


# What `dspy.Predict` does with the fields.


class _Recorder(dspy.ChatAdapter):
    """Answers with the inputs it was called with, and every output."""

    def __call__(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> Any:
        self.inputs = dict(inputs)
        return [dict.fromkeys(signature.output_fields, "said")]


def _against_predict(made: Any) -> Iterable[str]:
    adapter = _Recorder()
    # This shape is what `Predict` looks for in an input called `prediction`.
    content = {"type": "content", "content": "text"}
    given = {name: content if _takes_maps(info) else "text" for name, info in made.input_fields.items()}
    try:
        with dspy.context(lm=dspy.LM("none/none"), adapter=adapter, warn_on_type_mismatch=False):
            prediction: Any = dspy.Predict(made)(**given)
    except Exception as error:
        yield f"dspy.Predict cannot be called with it: {type(error).__name__}"
        return
    if lost := sorted(given.keys() - adapter.inputs.keys()):
        yield f"dspy.Predict keeps {', '.join(lost)} to itself"
    if prediction.toDict() != dict.fromkeys(made.output_fields, "said"):
        yield "its outputs are not those of the prediction"


def _takes_maps(info: Any) -> bool:
    return _is_map(info.annotation)


def _is_map(annotation: Any) -> bool:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return any(map(_is_map, get_args(annotation)))
    return annotation in (Any, Person) or dict in (annotation, get_origin(annotation))


# Texts nobody thought of.

_NAMES: Final = (
    "q",
    "r",
    "s",
    "t",
    "a",
    "b",
    "c",
    "question",
    "context",
    "answer",
    "score_2",
    "isOK",
    "Label",
    "type",
    "id",
)
_STRINGS: Final = ("x", "y", "a, b", "it's", "[z]", "", "yes ", "#1", "é", "a=b", "x | y")


def _random_texts() -> Iterable[str]:
    chance = random.Random(SEED)
    valid = [_random_text(chance) for _ in range(VALID)]
    yield from valid
    for _ in range(MUTATED):
        yield _mutated(chance, chance.choice(valid))


def _random_text(chance: random.Random) -> str:
    count_in, count_out = chance.randrange(1, 4), chance.randrange(1, 4)
    names: list[str] = []
    while len(names) < count_in + count_out:
        name = chance.choice(_NAMES)
        if name not in names:
            names.append(name)
    fields = [
        name if chance.random() < 0.2 else _spaced(chance, [name, ":", _random_type(chance, 3)]) for name in names
    ]
    sides = [_spaced(chance, _joined(side, ",")) for side in (fields[:count_in], fields[count_in:])]
    return _spaced(chance, [*_joined(sides, "->"), *([","] if chance.random() < 0.1 else [])])


def _random_type(chance: random.Random, depth: int) -> str:
    scalars = ("str", "int", "float", "bool", "Any", "list", "dict", "tuple", "Person", "Color")
    makers = (
        *(lambda: chance.choice(scalars),) * (2 if depth else 1),
        lambda: f"Literal[{_spaced(chance, _joined(_random_values(chance), ','))}]",
        lambda: _random_annotated(chance, depth),
    )
    if depth == 0:
        return chance.choice(makers)()
    inner = depth - 1
    deep = (
        lambda: f"{chance.choice(('list', 'List'))}[{_random_type(chance, inner)}]",
        lambda: f"{chance.choice(('set', 'Set'))}[{chance.choice(('str', 'int', 'float', 'bool'))}]",
        lambda: f"{chance.choice(('dict', 'Dict'))}[{chance.choice(('str', 'int'))},{_random_type(chance, inner)}]",
        lambda: f"tuple[{_random_type(chance, inner)}, ...]",
        lambda: f"{chance.choice(('tuple', 'Tuple'))}[{_random_type(chance, inner)}, {_random_type(chance, inner)}]",
        lambda: f"Optional[{_random_type(chance, inner)}]",
        lambda: f"Union[{_random_type(chance, inner)}, {chance.choice(('None', _random_type(chance, inner)))}]",
        lambda: _spaced(chance, _joined([_random_type(chance, inner) for _ in range(chance.randrange(2, 4))], "|")),
        lambda: _spaced(chance, [_random_type(chance, inner), "|", "None"]),
    )
    return chance.choice((*makers, *deep))()


def _random_values(chance: random.Random) -> list[str]:
    values: dict[str, None] = {}
    for _ in range(chance.randrange(1, 4)):
        text = chance.choice(_STRINGS)
        quoted = f'"{text}"' if "'" in text else f"'{text}'"
        values[chance.choice((quoted, quoted, str(chance.randrange(20)), "True", "False", "None"))] = None
    return list(values)


def _random_annotated(chance: random.Random, depth: int) -> str:
    of = chance.choice(("int", "float", "str", "list"))
    if of == "list" and depth:
        of = f"list[{_random_type(chance, depth - 1)}]"
    words = ("ge", "gt", "le", "lt") if of in ("int", "float") else ("min_length", "max_length")
    numbers = ("0", "1", "10", "0.5", "2.50") if of == "float" else ("0", "1", "10")
    first = chance.choice(words)
    limits = [first] if chance.random() < 0.5 else [first, *(word for word in words if word[:2] != first[:2])][:2]
    given = [_spaced(chance, [word, "=", chance.choice(numbers)]) for word in limits]
    return f"Annotated[{of}, Field({_spaced(chance, _joined(given, ','))})]"


def _joined(parts: Sequence[str], by: str) -> list[str]:
    return [piece for part in parts for piece in (by, part)][1:]


def _spaced(chance: random.Random, parts: Sequence[str]) -> str:
    """The parts with some space between them."""
    return "".join(part + chance.choice(("", "", "", " ", " ", "\n", "\t", "  ")) for part in parts)


_TOKENS: Final = (
    *(",", ":", "->", "|", "[", "]", "(", ")", "=", "'", '"', "*", "/", ".", "...", "#", "?", "-", "5", "None", "int"),
    *("\n", "list[", "Optional[", "Literal[", "Field(", "ge=", ", q", "= 1", "class", "demos", "\\"),
    *(" ", "str", "| None"),
)  # fmt: skip


def _mutated(chance: random.Random, text: str) -> str:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(text) + 1)
        to = min(len(text), at + chance.choice((1, 1, 1, 2, 4)))
        match chance.randrange(4):
            case 0:
                text = text[:at] + text[to:]
            case 1:
                text = text[:at] + chance.choice(_TOKENS) + text[at:]
            case 2:
                text = text[:at] + chance.choice(_TOKENS) + text[to:]
            case _:
                text = text[:to] + text[at:to] + text[to:]
    return text


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # DSPy says there what the file says too
    main()
