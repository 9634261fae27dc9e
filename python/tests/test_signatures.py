"""Signatures as data: specs, the classes made of them, and values against them."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import datetime
import enum
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union, get_args

import dspy
import pytest
from dspy.signatures.signature import SignatureMeta
from pydantic import BaseModel, Field, model_serializer
from signature_corpus import Color as CorpusColor
from signature_corpus import Person as CorpusPerson

import troupe_worker.signatures
from troupe_worker import InvalidArguments
from troupe_worker._errors import ResultRefused
from troupe_worker.signatures import (
    SignatureRefused,
    check_inputs,
    check_outputs,
    json_schema_of,
    parse_spec,
    signature_of,
    spec_of,
)
from troupe_worker.signatures._build import KEPT
from troupe_worker.signatures._field_type import text_of
from troupe_worker.signatures._json import canonical_json, checked_json
from troupe_worker.signatures._names import TAKEN
from troupe_worker.signatures._spec import hash_of
from troupe_worker.signatures._typing import same_type, union

Wire = dict[str, Any]
CORPUS = Path(__file__).parents[2] / "test" / "golden" / "signatures.json"


class Color(enum.Enum):
    red = "red"
    dark_red = "dark red"


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="In full.")
    age: int | None = None
    title: str = "none"
    friends: list[Person] = []
    likes: Color | None = None
    weight: float = Field(default=1.0, ge=0, le=1e300)


class Tagged(BaseModel):
    of: int | str | None


class Broken(BaseModel):
    @model_serializer
    def dump(self) -> Any:
        raise TypeError


class Everything(dspy.Signature):
    """Do all of it.

    Twice.
    """

    person: Person = dspy.InputField()
    choice: Literal["b", "a"] | None = dspy.InputField(desc="which")
    lists: dict[int, list[str]] = dspy.InputField()
    anything: Any = dspy.InputField()
    color: Color = dspy.OutputField()
    share: float = dspy.OutputField(ge=0, le=1.5)
    several: tuple[int, ...] = dspy.OutputField()
    pair: tuple[int, str] = dspy.OutputField()
    words: set[str] = dspy.OutputField()
    short: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=5)] | None = dspy.OutputField()


INPUTS: Wire = {"person": {"name": "Ada"}, "choice": "a", "lists": {"1": ["x"]}, "anything": [None, {"a": 1}]}
OUTPUTS: Wire = {"color": "red", "share": 1, "several": [1], "pair": [1, "x"], "words": ["b", "a"], "short": None}


def one_field(type: Any, io: str = "output", **how: Any) -> Any:
    info: Any = dspy.OutputField(**how) if io == "output" else dspy.InputField(**how)
    other: Any = (str, dspy.InputField()) if io == "output" else (str, dspy.OutputField())
    fields: dict[str, Any] = {"x": (type, info), "y": other}
    return dspy.make_signature(fields, "", "One")


def kind_of(type: Any) -> str:
    [field] = [field for field in spec_of(one_field(type))["fields"] if field["name"] == "x"]
    return text_of(field["type"])


def respec(spec: Mapping[str, Any], **changes: Any) -> Wire:
    """A spec with changes and the hash that fits them."""
    changed: Wire = json.loads(json.dumps({**spec, **changes}))
    changed["hash"] = hash_of(changed["instructions"], checked_json(changed["fields"]), checked_json(changed["defs"]))
    return changed


def test_the_public_surface() -> None:
    assert troupe_worker.signatures.__all__ == [
        "JsonSchema", "SignatureRefused", "Spec", "SpecField", "check_inputs", "check_outputs", "json_schema_of",
        "parse_spec", "signature_of", "spec_of",
    ]  # fmt: skip


class TestHash:
    def test_numbers_are_written_as_javascript_writes_them(self) -> None:
        numbers = [
            1e-6, 1e-7, 0.000123, 1e16, 123456789012345680.0, 1.5e300, 5e-324, 0.1, 1e15 + 0.5, -1.5e-9, 1e21, -0.0,
            1.7976931348623157e308, 123456.75, float(2**60),
        ]  # fmt: skip
        assert canonical_json(checked_json(numbers)) == (
            "[0.000001,1e-7,0.000123,10000000000000000,123456789012345680,1.5e+300,5e-324,0.1,1000000000000000.5,"
            "-1.5e-9,1e+21,0,1.7976931348623157e+308,123456.75,1152921504606847000]"
        )

    def test_a_hash_is_the_one_that_typescript_has(self) -> None:
        number = {"type": "number", "minimum": 1e-6, "maximum": 1e300, "multipleOf": 1e-7}
        other = {"type": "number", "maximum": 1e20, "minimum": -0.0, "default": 123456789012345680.0}
        box = {"type": "object", "properties": {"\U0001f600": number, "\uffff": other}, "required": ["\uffff"]}
        spec = {
            "v": 1,
            "name": "Triage",
            "instructions": "Say “why”.",
            "fields": [
                {"name": "q", "io": "input", "type": {"kind": "custom", "name": "Box"}, "desc": "é\u2028\n"},
                {"name": "a", "io": "output", "type": {"kind": "float", "limits": {"ge": 0, "le": 0.5}}},
            ],
            "defs": {"Box": box},
            "hash": "1d06de4507a291f2506efd6126fd91d5",
        }
        assert parse_spec(spec)["hash"] == "1d06de4507a291f2506efd6126fd91d5"

    def test_the_name_is_for_people(self) -> None:
        spec = spec_of(Everything)
        assert signature_of({**spec, "name": "my own: words"}) is signature_of(spec)


class TestRoundTrip:
    def test_a_spec_comes_back_as_it_was(self) -> None:
        spec = spec_of(Everything)
        built = signature_of(spec)
        assert spec_of(built) == spec
        assert built.instructions == "Do all of it.\n\nTwice."
        assert built.__name__ == "Everything"
        for io in ("input", "output"):
            assert json_schema_of(built, io) == json_schema_of(Everything, io)

    def test_prompts_are_the_same(self) -> None:
        system = [
            dspy.ChatAdapter().format(signature, [], dict.fromkeys(signature.input_fields))[0]["content"]
            for signature in (one_field(Color), signature_of(spec_of(one_field(Color))))
        ]
        assert system[0] == system[1]
        assert "must be one of: red; dark red" in system[0]
        prompts = [
            dspy.ChatAdapter().format(signature, [], {"x": None, "y": ""})[0]["content"]
            for signature in (one_field(list[Person]), signature_of(spec_of(one_field(list[Person]))))
        ]
        assert prompts[0].replace('"default": 1.0', '"default": 1') == prompts[1]
        limited = one_field(float, ge=0, le=0.5)
        again = signature_of(spec_of(limited))
        assert again.output_fields["x"].json_schema_extra == limited.output_fields["x"].json_schema_extra

    @pytest.mark.parametrize(
        ("type", "text"),
        [
            (list, "list[Any]"),
            (dict, "dict[str, Any]"),
            (tuple, "tuple[Any, ...]"),
            (Optional[int], "int | None"),  # noqa: UP045
            (Union[None, int, str], "int | str | None"),  # noqa: UP007
            (list[int | None] | None, "list[int | None] | None"),
            (Annotated[int, Field(ge=0, lt=10.0)], "Annotated[int, Field(ge=0, lt=10)]"),
            (Annotated[str, Field(min_length=1)] | int, "Annotated[str, Field(min_length=1)] | int"),
            (Literal["it's", 'a "b"', 3, True, None], 'Literal["it\'s", \'a "b"\', 3, True, None]'),
            (tuple[int, str, None], "tuple[int, str, None]"),
            (dict[int, set[Literal[1, 2]]], "dict[int, set[Literal[1, 2]]]"),
            (list[Person], "list[Person]"),
        ],
    )
    def test_types_have_one_form(self, type: Any, text: str) -> None:
        assert kind_of(type) == text
        spec = spec_of(one_field(type))
        assert spec_of(signature_of(spec)) == spec

    def test_a_class_may_have_a_bare_list_of_typing(self) -> None:
        class Bare(dspy.Signature):
            x: typing.List = dspy.InputField()  # pyright: ignore[reportMissingTypeArgument] # noqa: UP006
            y: typing.Dict = dspy.OutputField()  # pyright: ignore[reportMissingTypeArgument] # noqa: UP006

        assert [text_of(field["type"]) for field in spec_of(Bare)["fields"]] == ["list[Any]", "dict[str, Any]"]

    def test_what_dspy_says_anyway_is_left_out(self) -> None:
        own = spec_of(one_field(str, desc="${x}"))["fields"][1]
        assert own == {"name": "x", "io": "output", "type": {"kind": "str"}}
        spec = respec(spec_of(one_field(str)))
        spec["fields"][0] |= {"desc": ""}
        extra: Any = signature_of(respec(spec)).input_fields["y"].json_schema_extra
        assert extra["desc"] == ""
        assert spec_of(signature_of(respec(spec)))["fields"][0].get("desc") == ""

    def test_dspy_takes_the_class_as_its_own(self) -> None:
        built = signature_of(spec_of(Everything))
        cot: Any = dspy.ChainOfThought(built)
        assert list(cot.predict.signature.output_fields)[:2] == ["reasoning", "color"]
        assert spec_of(built.with_instructions("Other."))["defs"] == spec_of(built)["defs"]
        parsed = dspy.ChatAdapter().parse(
            one_field(Color) and signature_of(spec_of(one_field(Color))), "[[ ## x ## ]]\ndark red"
        )
        assert parsed["x"].value == "dark red"

    @pytest.mark.parametrize(
        ("type", "reason"),
        [
            (bytes, "no word for the type bytes"),
            (datetime.datetime, "no word for the type datetime"),
            (frozenset[int], "no word"),
            (set, "no word for the type set"),
            (dspy.Image, "no word for dspy.Image"),
            (list[dspy.History], "no word for dspy.History"),
            (Literal[-1], "negative"),
            (Literal[10**15], "at most 15 digits"),
            (Literal["a\\b"], "no backslash"),
            (Literal["a\nb"], "line break"),
            (Literal["'\""], "one kind of quotes"),
            (Literal[Color.red], "no word for <Color.red"),
            (Annotated[int, Field(ge=-1)], "negative"),
            (Annotated[float, Field(ge=1e-7)], "no plain number"),
            (Annotated[str, Field(pattern="a")], "no word for"),
            (list[Annotated[str, Field(description="d")]], "no word for description"),
            (Annotated[int, Field(multiple_of=2)], "no word for MultipleOf"),
            (dict[float, str], "keys of a dict"),
            (set[tuple[int, ...]], "a set holds"),
            (tuple[()], "no word"),
            (None, "DSPy takes None for str"),
            (list[list[list[list[list[list[list[list[list[int]]]]]]]]], "nested more than 8"),
        ],
    )
    def test_what_the_grammar_has_no_word_for_is_refused(self, type: Any, reason: str) -> None:
        class Odd(dspy.Signature):
            y: str = dspy.InputField()
            x: type = dspy.OutputField()  # pyright: ignore[reportInvalidTypeForm]

            __annotations__ = {"y": str, "x": type}

        with pytest.raises(SignatureRefused, match=f"field 'x': .*{re.escape(reason)}"):
            spec_of(Odd)

    def test_defaults_aliases_and_taken_names_are_refused(self) -> None:
        for field, reason in ((dspy.InputField(default="a"), "default"), (dspy.InputField(alias="z"), "alias")):
            fields: dict[str, Any] = {"x": (str, field), "y": (str, dspy.OutputField())}
            with pytest.raises(SignatureRefused, match=f"field 'x': .*{reason}"):
                spec_of(dspy.make_signature(fields, ""))
        with pytest.raises(SignatureRefused, match="field 'demos': the name is taken"):
            spec_of(dspy.make_signature("demos -> a"))

    def test_a_map_that_predict_would_take_for_its_own_is_refused(self) -> None:
        for type in ("dict[str, Any]", "Any", "dict | None"):
            with pytest.raises(SignatureRefused, match=r"field 'prediction': dspy\.Predict may take"):
                spec_of(dspy.make_signature(f"prediction: {type} -> a"))
        for text in ("prediction: str -> a", "prediction: list[dict] -> a", "q -> prediction: Any"):
            assert spec_of(dspy.make_signature(text))

    def test_classes_that_cannot_be_told_apart_by_name_are_refused(self) -> None:
        first, second = (type("Same", (BaseModel,), {"__annotations__": {"a": of}}) for of in (int, str))
        with pytest.raises(SignatureRefused, match="two types are named 'Same'"):
            spec_of(one_field(first | list[second]))

    def test_the_names_taken_are_those_of_dspy(self) -> None:
        attributes = {name for name in (*dir(dspy.Signature), *dir(SignatureMeta)) if not name.startswith("_")}
        assert attributes - TAKEN == set()
        assert TAKEN - attributes == {"config", "demos", "lm", "new_signature", "self"}


class TestOrder:
    def test_typing_forgets_the_order_of_a_literal(self) -> None:
        """Why `union` exists. Python 3.14 remembers unions no more."""
        first, second = (Optional[Literal["a", "b"]], Optional[Literal["b", "a"]])  # noqa: UP045
        assert sys.version_info >= (3, 14) or get_args(get_args(second)[0]) == get_args(get_args(first)[0])

    def test_a_union_keeps_the_order_of_its_members(self) -> None:
        for values in (("a", "b"), ("b", "a"), ("a", "b")):
            made = union([Literal[values], None])
            assert get_args(get_args(made)[0]) == values
            nested = union([list[Literal[values]], int, None])
            assert get_args(get_args(get_args(nested)[0])[0]) == values

    def test_signatures_keep_it_too(self) -> None:
        for values in (["p", "q"], ["q", "p"]):
            type = {"kind": "union", "of": [{"kind": "literal", "values": values}, {"kind": "None"}]}
            fields = [
                {"name": "x", "io": "input", "type": type},
                {"name": "y", "io": "output", "type": {"kind": "str"}},
            ]
            spec = respec({"v": 1, "name": "S", "instructions": "Do.", "fields": fields, "defs": {}})
            assert json_schema_of(signature_of(spec), "input")["properties"]["x"]["anyOf"][0]["enum"] == values
            assert spec_of(signature_of(spec)) == spec

    def test_members_that_python_cannot_tell_apart_are_refused(self) -> None:
        with pytest.raises(SignatureRefused, match="what Python makes of a union"):
            union([Literal["a", "b"], Literal["b", "a"]])

    def test_types_are_compared_in_order(self) -> None:
        assert same_type(list[Literal["a", "b"]], list[Literal["a", "b"]])
        assert not same_type(list[Literal["a", "b"]], list[Literal["b", "a"]])
        assert not same_type(Literal[1], Literal[True])
        assert not same_type(list[int], typing.List[int])  # noqa: UP006


class TestCache:
    def test_one_class_for_all_threads(self) -> None:
        spec = respec(spec_of(Everything), instructions="for threads")
        made: list[type] = []
        threads = [threading.Thread(target=lambda: made.append(signature_of(spec))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 8
        assert len(set(map(id, made))) == 1
        assert signature_of(spec) is made[0]

    def test_the_oldest_goes_first(self) -> None:
        spec = spec_of(one_field(str))
        first, second = respec(spec, instructions="first"), respec(spec, instructions="second")
        made = signature_of(first), signature_of(second)
        for number in range(KEPT - 1):
            signature_of(respec(spec, instructions=f"number {number}"))
            assert signature_of(second) is made[1]
        assert signature_of(first) is not made[0]


class TestSpec:
    def changed(self, change: Callable[[Wire], object], refresh: bool = True) -> Wire:
        spec = json.loads(json.dumps(spec_of(Everything)))
        change(spec)
        return respec(spec) if refresh else spec

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda it: it.update(v=2), "version 2"),
            (lambda it: it.update(v=True), "version True"),
            (lambda it: it.update(extra=1), "the spec: unknown extra"),
            (lambda it: it.pop("name"), "the spec: no name"),
            (lambda it: it.update(name=""), "1 to 200"),
            (lambda it: it.update(instructions="  a\n  b"), "indentation"),
            (lambda it: it.update(instructions=""), "instructions: DSPy would write its own"),
            (lambda it: it["fields"].reverse(), "inputs come first"),
            (lambda it: it["fields"].append(it["fields"][-1]), "short twice"),
            (lambda it: it.update(fields=it["fields"][:4]), "0 output fields"),
            (lambda it: it.update(fields={}), "no list"),
            (lambda it: it["fields"][0].update(name="class"), "keyword"),
            (lambda it: it["fields"][0].update(name="a.b"), "a letter, then"),
            (lambda it: it["fields"][0].update(name="__class__"), "a letter, then"),
            (lambda it: it["fields"][0].update(name="model_fields"), "taken"),
            (lambda it: it["fields"][0].update(io="both"), "io is input or output"),
            (lambda it: it["fields"][0].update(hint="x"), "unknown hint"),
            (lambda it: it["fields"][0].update(desc=1), "desc: no text"),
            (lambda it: it["fields"][0].update(type={"kind": "bytes"}), "no kind of type 'bytes'"),
            (lambda it: it["fields"][0].update(type={"kind": ["str"]}), "no kind of type"),
            (lambda it: it["fields"][0].update(type="str"), "'str' is no type"),
            (lambda it: it["fields"][0].update(type={"kind": "str", "of": 1}), "kind str has no of"),
            (lambda it: it["fields"][0].update(type={"kind": "list"}), "needs of"),
            (lambda it: it["fields"][0].update(type={"kind": "custom", "name": "os"}), "not in defs"),
            (lambda it: it["fields"][0].update(type={"kind": "str", "limits": {}}), "at least one"),
            (lambda it: it["fields"][0].update(type={"kind": "str", "limits": {"ge": 1}}), "not for a type"),
            (lambda it: it["fields"][0].update(type={"kind": "int", "limits": {"ge": 0.5}}), "whole number"),
            (lambda it: it["fields"][0].update(type={"kind": "int", "limits": {"ge": True}}), "no number"),
            (lambda it: it["fields"][0].update(type={"kind": "literal", "values": []}), "1 to 256"),
            (lambda it: it["fields"][0].update(type={"kind": "literal", "values": ["a", "a"]}), "twice"),
            (lambda it: it["fields"][0].update(type={"kind": "literal", "values": [0.5]}), "no string"),
            (lambda it: it["fields"][0].update(type={"kind": "union", "of": [{"kind": "str"}]}), "2 to 4096"),
            (
                lambda it: it["fields"][0].update(type={"kind": "union", "of": [{"kind": "None"}, {"kind": "str"}]}),
                "None last",
            ),
            (lambda it: it["defs"].update(os={"type": "string"}), "no field uses os"),
            (lambda it: it["defs"].update({"list": {"type": "string"}}), "a name the grammar has"),
            (lambda it: it["defs"].update({"a.b": {"type": "string"}}), "no name for a type"),
            (lambda it: it["defs"].pop("Color"), "defs: no Color|not in defs"),
        ],
    )
    def test_what_is_no_spec_is_refused(self, change: Callable[[Wire], object], reason: str) -> None:
        with pytest.raises(SignatureRefused, match=reason):
            signature_of(self.changed(change))

    def test_a_union_may_be_longer_than_a_list_of_a_text(self) -> None:
        members = [{"kind": "literal", "values": [f"{at}{'x' * 30}"]} for at in range(300)]
        spec = respec(spec_of(one_field(str)))
        spec["fields"][1]["type"] = {"kind": "union", "of": members}
        built = signature_of(respec(spec))
        assert spec_of(built) == respec(spec)
        for times, reason in ((15, "2 to 4096 items, not 4500"), (13, "more than 65536 characters")):
            of = [{"kind": "literal", "values": [f"{at}{'x' * 30}"]} for at in range(300 * times)]
            spec["fields"][1]["type"] = {"kind": "union", "of": of}
            with pytest.raises(SignatureRefused, match=reason):
                signature_of(respec(spec))

    def test_a_spec_of_very_many_fields_is_refused_at_once(self) -> None:
        fields = [{"name": f"x{at}", "io": "input", "type": {"kind": "str"}} for at in range(20_000)]
        spec = respec(spec_of(one_field(str)), fields=fields)
        begin = time.perf_counter()
        with pytest.raises(SignatureRefused, match="at most 256 on each side"):
            signature_of(spec)
        assert time.perf_counter() - begin < 2

    def test_a_wrong_hash_is_refused(self) -> None:
        with pytest.raises(SignatureRefused, match="the spec comes to"):
            signature_of(self.changed(lambda it: it.update(instructions="x"), refresh=False))

    @pytest.mark.parametrize("value", [None, [], "text", 1, {"v": math.nan}, {"v": 2**60}, {"v": b""}, {1: 2}])
    def test_what_is_no_json_is_refused(self, value: Any) -> None:
        with pytest.raises(SignatureRefused):
            parse_spec(value)

    @pytest.mark.parametrize(
        ("schema", "reason"),
        [
            ({"type": "string", "not": {}}, "no word for not"),
            ({"type": "date"}, "no type 'date'"),
            ({"$ref": "https://example.com/a.json"}, "no reference to a definition"),
            ({"$ref": "#/$defs/Nobody"}, "no Nobody"),
            ({"$ref": "#/properties/a"}, "no reference to a definition"),
            ({"type": "string", "pattern": "("}, "regex"),
            ({"type": "string", "minLength": "x"}, "defs.Box"),
            ({"type": "object", "properties": {"a": False}}, "properties.a"),
            ({"type": "object", "properties": {}, "required": ["a"]}, "required"),
            ({"enum": [1.5]}, "1.5 is no text"),
            ({"enum": ["a"], "type": "integer"}, "not of type integer"),
            ({"anyOf": []}, "an empty one"),
            ({"type": "object", "additionalProperties": 5}, "not both"),
            ({"type": "array", "items": {"allOf": [{}]}}, "no word for allOf"),
        ],
    )
    def test_what_would_not_be_checked_is_refused(self, schema: Wire, reason: str) -> None:
        with pytest.raises(SignatureRefused, match=reason):
            signature_of(boxed(schema))


def nested(value: Any, times: int) -> Any:
    for _ in range(times):
        value = [value]
    return value


def ref(name: str) -> Wire:
    return {"$ref": f"#/$defs/{name}"}


def boxed(schema: Wire, **defs: Wire) -> Wire:
    """The spec of a signature with an input of a type `Box`."""
    type, text = {"kind": "custom", "name": "Box"}, {"kind": "str"}
    fields = [{"name": "x", "io": "input", "type": type}, {"name": "y", "io": "output", "type": text}]
    return respec({"v": 1, "name": "S", "instructions": "Do.", "fields": fields, "defs": {"Box": schema, **defs}})


class TestDefinitions:
    @pytest.mark.parametrize(
        ("schema", "good", "bad"),
        [
            ({"enum": ["red", "mro", "_x"]}, ["red", "mro"], ["blue", 1]),
            ({"enum": ["a", 1, True, None]}, ["a", 1, True, None], ["b", 2, False]),
            ({"const": "a"}, ["a"], ["b"]),
            ({"const": 1}, [1], [True, 2]),
            ({"enum": ["name", "value"]}, ["name", "value"], ["x"]),
            ({"type": ["string", "null"], "minLength": 2}, ["ab", None], ["a", 1]),
            ({"type": "integer", "minimum": 1, "exclusiveMaximum": 5}, [1, 4], [0, 5, 1.5, True, "1"]),
            ({"type": "number", "multipleOf": 0.5}, [1, 1.5], [1.2]),
            ({"type": "array", "items": {"type": "integer"}, "minItems": 1}, [[1, 1]], [[], ["a"]]),
            ({"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}, [["b", "a"]], [["a", "a"]]),
            ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [[1, "a"]], [[1], ["a", 1]]),
            ({"type": "object", "additionalProperties": {"type": "boolean"}}, [{}, {"a": True}], [{"a": 1}]),
            ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, [{"a": None}], [{}]),
            (
                {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
                [{}, {"a": "x"}],
                [{"a": None}, {"b": 1}],
            ),
            ({"type": "object", "properties": {"model_dump": {}, "a-b": {}, "class": {}, "_z": {}}},
             [{"model_dump": 1, "a-b": 2, "class": 3, "_z": 4}], [1]),
            ({"type": "object", "additionalProperties": True}, [{"a": [1]}], [[]]),
            ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["a", None], [1]),
            ({}, [1, None, {"a": [1]}], []),
            (
                {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": {"const": 1}}}}},
                [{"b": {"c": 1}}],
                [{"b": {"c": 2}}, {"b": 1}],
            ),
        ],
    )  # fmt: skip
    def test_values_are_held_to_the_schema(self, schema: Wire, good: list[Any], bad: list[Any]) -> None:
        spec = boxed(schema)
        built = signature_of(spec)
        assert spec_of(built) == spec
        for value in good:
            assert check_inputs(built, {"x": value}) == {"x": value}
        for value in bad:
            with pytest.raises(InvalidArguments):
                check_inputs(built, {"x": value})

    def test_definitions_may_go_in_circles(self) -> None:
        tree = {"type": "object", "properties": {"leaf": {"type": "integer"}, "in": {"$ref": "#/$defs/Trees"}}}
        trees = {"type": "array", "items": {"$ref": "#/$defs/Box"}}
        built = signature_of(boxed({**tree, "required": ["in"]}, Trees=trees))
        value = {"in": [{"in": [], "leaf": 1}, {"in": [{"in": []}]}]}
        assert check_inputs(built, {"x": value}) == {"x": value}
        with pytest.raises(InvalidArguments) as refused:
            check_inputs(built, {"x": {"in": [{"in": [{}]}]}})
        assert refused.value.issues == [{"path": "x.in.0.in.0.in", "message": "Field required"}]

    @pytest.mark.parametrize(
        ("box", "other", "circle"),
        [
            (ref("Box"), None, "Box -> Box"),
            (ref("Other"), ref("Box"), "Box -> Other -> Box"),
            ({"anyOf": [ref("Box"), {"type": "null"}]}, None, "Box -> Box"),
            ({"oneOf": [{"type": "null"}, {"anyOf": [ref("Other")]}]}, ref("Box"), "Box -> Other -> Box"),
        ],
    )
    def test_circles_that_no_value_ends_are_refused(self, box: Wire, other: Wire | None, circle: str) -> None:
        with pytest.raises(SignatureRefused, match=f"defs: {circle} is a circle"):
            signature_of(boxed(box, **({} if other is None else {"Other": other})))

    @pytest.mark.parametrize(
        "box",
        [
            {"type": "array", "items": ref("Box")},
            {"type": "array", "prefixItems": [{"anyOf": [ref("Box"), {"type": "null"}]}]},
            {"type": "object", "additionalProperties": ref("Box")},
            {"type": "object", "properties": {"a": ref("Box")}},
        ],
    )
    def test_circles_through_values_are_not(self, box: Wire) -> None:
        built = signature_of(boxed({"anyOf": [ref("Inner"), {"type": "integer"}]}, Inner=box))
        assert check_inputs(built, {"x": 1}) == {"x": 1}

    def test_long_rows_of_references_are_refused(self) -> None:
        for length, into in ((3_000, "row"), (400, "list")):
            defs = {f"A{at}": ref(f"A{at + 1}") for at in range(length)}
            if into == "list":
                defs = {name: {"type": "object", "properties": {"a": to}} for name, to in defs.items()}
            with pytest.raises(SignatureRefused, match=r"more than 8 references in a row|recursion"):
                signature_of(boxed(ref("A0"), **defs, **{f"A{length}": {"type": "integer"}}))

    def test_unions_that_try_everything_are_given_up(self) -> None:
        lists: Wire = {"type": "array", "items": ref("T")}
        built = signature_of(boxed(ref("T"), T={"anyOf": [lists, {**lists, "minItems": 1}, {"type": "integer"}]}))
        assert check_inputs(built, {"x": nested(1, 8)}) == {"x": nested(1, 8)}
        with pytest.raises(InvalidArguments) as refused:
            check_inputs(built, {"x": nested("a", 8)})
        assert refused.value.issues == [{"path": "x", "message": "Input should be array or integer"}]
        with pytest.raises(InvalidArguments, match="too many ways to read it"):
            check_inputs(built, {"x": nested("a", 90)})

    def test_properties_never_take_each_others_names(self) -> None:
        names = ["a b", "property_0", "property_0_", "__class__", "property_3", "property_5", "$"]
        built = signature_of(boxed({"type": "object", "properties": {name: {"type": "integer"} for name in names}}))
        value = {name: at for at, name in enumerate(names)}
        assert check_inputs(built, {"x": value}) == {"x": value}

    def test_a_definition_may_be_called_as_a_reference_is(self) -> None:
        box = {"type": "object", "properties": {"a": ref("definition_0"), "n": {"type": "integer"}}}
        other = {"type": "object", "properties": {"b": ref("Box")}, "additionalProperties": False}
        value = {"a": {"b": {"n": 1}}}
        assert check_inputs(signature_of(boxed(box, definition_0=other)), {"x": value}) == {"x": value}

    @pytest.mark.parametrize(
        ("schema", "default"),
        [
            ({"type": "integer"}, "str"),
            ({"type": "integer"}, None),
            ({"type": "array", "uniqueItems": True}, [1, 1]),
            ({"type": "string", "minLength": 1}, ""),
            ({"anyOf": [ref("Other")]}, {"b": "x"}),
            ({"anyOf": [ref("Other"), {"type": "null"}]}, 1),
        ],
    )
    def test_a_default_that_does_not_fit_is_refused(self, schema: Wire, default: Any) -> None:
        box = {"type": "object", "properties": {"a": {**schema, "default": default}, "o": ref("Other")}}
        other = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
        with pytest.raises(SignatureRefused, match=r"defs\.Box\.properties\.a: the default .* does not fit"):
            signature_of(boxed(box, Other=other))

    def test_a_default_may_be_an_object(self) -> None:
        other = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
        box = {"type": "object", "properties": {"a": {"anyOf": [ref("Other")], "default": {"b": 1}}, "o": ref("Other")}}
        assert check_inputs(signature_of(boxed(box, Other=other)), {"x": {}}) == {"x": {"a": {"b": 1}}}

    def test_defaults_are_filled_and_what_has_none_stays_away(self) -> None:
        properties = {
            "a": {"type": "integer", "default": 5},
            "b": {"type": "integer"},
            "c": {"enum": ["u"], "default": "u"},
        }
        built = signature_of(boxed({"type": "object", "properties": properties}))
        assert check_inputs(built, {"x": {}}) == {"x": {"a": 5, "c": "u"}}

    def test_names_of_a_schema_reach_nothing_of_python(self) -> None:
        """A definition may be called as anything here is: it is neither imported nor looked up."""
        for name in ("BaseModel", "os", "print", "definition_0"):
            schema = {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}
            built = signature_of(boxed(schema, **{name: {"type": "integer"}}))
            assert check_inputs(built, {"x": [1]}) == {"x": [1]}
            with pytest.raises(InvalidArguments):
                check_inputs(built, {"x": ["a"]})


class TestCheck:
    @pytest.mark.parametrize("cls", [Everything, signature_of(spec_of(Everything))], ids=["class", "spec"])
    def test_values_come_out_as_plain_data(self, cls: Any) -> None:
        person = {"name": "Ada", "age": None, "title": "none", "friends": [], "likes": None, "weight": 1.0}
        assert check_inputs(cls, INPUTS) == {**INPUTS, "person": person}
        given = {**OUTPUTS, "several": (1, 2), "pair": (1, "x"), "words": {"b", "a"}, "share": 1.0}
        assert check_outputs(cls, given) == {**OUTPUTS, "several": [1, 2], "words": ["a", "b"]}

    def test_pythons_own_values_are_taken(self) -> None:
        person = Person(name="Ada", friends=[Person(name="Bob")])
        checked = check_inputs(Everything, {**INPUTS, "person": person, "lists": {1: ("x",)}})
        assert checked["person"]["friends"][0]["name"] == "Bob"
        assert checked["lists"] == {"1": ["x"]}
        assert check_outputs(Everything, {**OUTPUTS, "color": Color.dark_red})["color"] == "dark red"

    @pytest.mark.parametrize(
        ("type", "value", "path", "message"),
        [
            (int, True, "x", "valid integer"),
            (int, 1.5, "x", "valid integer"),
            (int, "1", "x", "valid integer"),
            (float, True, "x", "valid number"),
            (bool, 1, "x", "valid boolean"),
            (Literal[1, 0], True, "x", "one of 1, 0"),
            (Literal[True], 1, "x", "one of True"),
            (set[Literal[1]], [True], "x.0", "one of 1"),
            (str, 1, "x", "valid string"),
            (str, "\ud800", "x", "surrogate"),
            (float, math.nan, "x", "nan is no JSON"),
            (list[float], [1, math.inf], "x.1", "inf is no JSON"),
            (Any, {"a": [2**53]}, "x.a.0", "beyond 2**53 - 1"),
            (Any, {2**53: 1}, "x", "beyond 2**53 - 1"),
            (Any, [b"x"], "x.0", "bytes"),
            (Any, [object()], "x.0", "object is no plain data"),
            (Any, {(1,): 1}, "x", "no text and no whole number"),
            (dict[int, str], {"01": "a"}, "x.01", "whole numbers"),
            (dict[int, str], {"1.0": "a"}, "x.1.0", "whole numbers"),
            (tuple[int, str], [1], "x.1", "required"),
            (Annotated[float, Field(le=1)], 1.5, "x", "less than or equal to 1"),
            (list[Annotated[str, Field(min_length=2)]], ["ab", "a"], "x.1", "at least 2"),
            (Person, {"name": 1}, "x.name", "valid string"),
            (int | list[int], [1, "a"], "x", "be int | list[int]"),
            (dict[int, int | None], {"1": "a"}, "x.1", "valid integer"),
            (list[int | str | None], [1, 1.5], "x.1", "be int | str | None"),
            (dict[int, str], {1: "a", "1": "b"}, "x", "two keys"),
            (Any, {1: "a", "1": "b"}, "x", "two keys"),
            (Any, {"a": {"\ud800": 1}}, "x.a", "surrogate"),
            (Any, [{None: 1}], "x.0", "no text and no whole number"),
            (Any, Broken(), "x", "Broken is no plain data"),
        ],
    )
    def test_what_does_not_fit_is_refused_with_its_path(self, type: Any, value: Any, path: str, message: str) -> None:
        with pytest.raises(ResultRefused) as refused:
            check_outputs(one_field(type), {"x": value})
        [issue] = refused.value.issues
        assert issue["path"] == path
        assert message in issue["message"]
        with pytest.raises(InvalidArguments):
            check_inputs(one_field(type, "input"), {"x": value})

    def test_no_depth_breaks_it(self) -> None:
        deep: Any = 1
        for _ in range(20_000):
            deep = [deep]
        with pytest.raises(InvalidArguments, match="nested more than 100 deep"):
            check_inputs(one_field(Any, "input"), {"x": deep})
        with pytest.raises(SignatureRefused, match="nested more than 100 deep"):
            parse_spec({"v": deep})

    @pytest.mark.parametrize("name", [1, None, "\ud800"])
    def test_a_name_that_no_field_has_is_an_issue(self, name: Any) -> None:
        with pytest.raises(InvalidArguments, match=f"{re.escape(repr(name))} is no name of a field"):
            check_inputs(one_field(Any, "input"), {"x": 1, name: 1})

    @pytest.mark.parametrize(("type", "around"), [(Any, 0), (list[list[Any]], 2), (list[int | Any], 1)])
    def test_any_is_as_deep_as_in_typescript(self, type: Any, around: int) -> None:
        cls = one_field(type, "input")
        fits = nested([], 63 + around)
        assert check_inputs(cls, {"x": fits}) == {"x": fits}
        for deeper in (64 + around, 99, 100, 101, 254, 255):
            with pytest.raises(InvalidArguments) as refused:
                check_inputs(cls, {"x": nested([], deeper)})
            assert len(refused.value.issues) == 1

    def test_paths_of_a_class_have_no_names_of_members(self) -> None:
        with pytest.raises(InvalidArguments) as refused:
            check_inputs(one_field(list[Tagged], "input"), {"x": [{"of": ["a"]}]})
        assert {issue["path"] for issue in refused.value.issues} == {"x.0.of"}

    def test_what_holds_itself_is_an_issue(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        person = Person(name="Ada")
        person.friends.append(person)
        for value in (loop, person):
            with pytest.raises(InvalidArguments):
                check_inputs(one_field(Any, "input"), {"x": value})

    def test_every_issue_is_listed(self) -> None:
        with pytest.raises(InvalidArguments) as refused:
            check_inputs(Everything, {"choice": "c", "lists": {"a": [1]}, "more": 1})
        paths = ["person", "choice", "lists.a", "lists.a.0", "anything", "more"]
        assert [issue["path"] for issue in refused.value.issues] == paths
        assert refused.value.issues[-1]["message"] == "Unknown field"
        assert str(refused.value).endswith("; and 1 more")

    def test_what_json_has_one_form_for_is_one(self) -> None:
        assert check_inputs(one_field(int, "input"), {"x": 2.0}) == {"x": 2}
        assert check_inputs(one_field(float, "input"), {"x": 2}) == {"x": 2.0}
        assert check_inputs(one_field(float, "input"), {"x": 1e300}) == {"x": 1e300}
        assert check_inputs(one_field(float | int, "input"), {"x": 2.0}) == {"x": 2}


def test_the_json_schema_of_a_side_is_that_of_pydantic_without_its_titles() -> None:
    class Titled(BaseModel):
        title: str
        description: int = Field(description="kept as a name, not as a note")

    limited: Any = Annotated[list[Titled], Field(max_length=2)]
    schema = json_schema_of(one_field(Optional[limited]), "output")  # noqa: UP045
    properties = {"title": {"type": "string"}, "description": {"type": "integer"}}
    items = {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/Titled"}}
    assert schema == {
        "type": "object",
        "properties": {"x": {"anyOf": [items, {"type": "null"}]}},
        "required": ["x"],
        "additionalProperties": False,
        "$defs": {"Titled": {"type": "object", "properties": properties, "required": ["title", "description"]}},
    }  # fmt: skip


class TestCommand:
    def dump(self, *targets: str) -> subprocess.CompletedProcess[str]:
        return _run("-m", "troupe_worker.signatures", "dump", *targets)

    def test_specs_are_printed(self) -> None:
        done = self.dump("test_signatures:Everything", "test_signatures:Everything")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == [spec_of(Everything)] * 2

    def test_what_cannot_be_dumped_is_said(self) -> None:
        targets = ("test_signatures:Everything", "nowhere:X", "test_signatures:Nobody", "test_signatures:Color", "x")
        done = self.dump(*targets)
        assert (done.returncode, done.stdout) == (2, "")
        lines = done.stderr.splitlines()
        assert [line.split(": ")[0] for line in lines] == list(targets[1:])
        assert "No module named 'nowhere'" in lines[0]
        assert "is no dspy.Signature" in lines[2]

    def test_a_module_that_raises_is_one_line(self, tmp_path: Path) -> None:
        for name, code in (("raising", "raise TypeError('one\\ntwo')"), ("leaving", "raise SystemExit(0)")):
            (tmp_path / f"{name}.py").write_text(code)
        done = _run("-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
                    "from troupe_worker.signatures.__main__ import main\n"
                    "sys.exit(main(['dump', 'raising:X', 'leaving:X']))")  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == ["raising:X: TypeError: one two", "leaving:X: SystemExit: 0"]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command of ours, beside the tests."""
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": f"{here.parent / 'src'}{os.pathsep}{here}"}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=here, env=env)


class TestCorpus:
    """`test/golden/signatures.json`, which the parsers of TypeScript are held to as well."""

    def test_dspy_reads_signatures_as_the_file_says(self) -> None:
        """Fails with another DSPy: then write the file anew, and see what has changed."""
        done = _run("-W", "error", "signature_corpus.py")
        assert (done.returncode, done.stderr) == (0, "")
        old, new = json.loads(CORPUS.read_text()), json.loads(done.stdout)
        if old["made_with"]["python"] == new["made_with"]["python"]:
            assert done.stdout == CORPUS.read_text()
        else:  # messages and quoted types are another matter in every version of Python
            for now, then in zip(new["texts"], old["texts"], strict=True):
                assert _verdict(now) == _verdict(then) or "a quoted type" in now.get("trap", "") + then.get("trap", "")
            assert [it["spec"]["hash"] for it in new["specs"]] == [it["spec"]["hash"] for it in old["specs"]]

    def test_what_it_can_say_comes_back_from_a_spec_as_it_was(self) -> None:
        texts = json.loads(CORPUS.read_text())["texts"]
        same = 0
        for text in texts:
            fields = text["dspy"].get("fields", [])
            if "trap" in text or not fields or any(field["type"] is None for field in fields):
                continue
            made = dspy.make_signature(text["text"], custom_types={"Person": CorpusPerson, "Color": CorpusColor})
            spec = _spec_or_reason(made)
            if isinstance(spec, str):
                assert re.search(r"': (the name is taken|a name is a letter)", spec)
                continue
            built = signature_of(spec)
            assert spec_of(built) == spec
            for field in fields:
                schema = json_schema_of(built, field["io"])["properties"][field["name"]]
                assert schema == field["schema"], text["text"]
            same += 1
        assert same > 300

    def test_it_is_large_enough_and_has_all_sorts(self) -> None:
        texts = json.loads(CORPUS.read_text())["texts"]
        traps = "; ".join(text["trap"] for text in texts if "trap" in text)
        kinds = (
            "drops the default", "loses", "two fields of one name", "becomes str", "shadows an attribute", "reads on",
            "no output fields", "imports the module", "evaluates as Python", "forgets the order", "to itself",
            "no input fields",
        )  # fmt: skip
        assert [kind for kind in kinds if kind not in traps] == []
        assert sum("error" in text["dspy"] for text in texts) > 200
        assert sum("fields" in text["dspy"] for text in texts) > 400
        assert len(CORPUS.read_bytes()) < 600_000


def _spec_or_reason(cls: type[dspy.Signature]) -> Any:
    try:
        return spec_of(cls)
    except SignatureRefused as refused:
        return str(refused)


def _verdict(text: Wire) -> Any:
    dspy = text["dspy"]
    shown = [(it["name"], it["io"], it["type"], it["schema"]) for it in dspy["fields"]] if "fields" in dspy else "error"
    return text["text"], shown, "trap" in text
