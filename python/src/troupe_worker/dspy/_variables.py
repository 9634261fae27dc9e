"""What can be varied in a DSPy program, and how: `variables_of` lists, `apply` makes a changed copy. Pure.

1. A variable is addressed by slot: the path of a `Predict` or `ChainOfThought` in the program. The path does not change
   when the slot is filled with the other class, as DSPy's own predictor names do.
2. `apply` never touches the program it is given, and the order of the assignment has no meaning.
3. Nothing from an assignment reaches DSPy's signature parser, which can import modules.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import dspy

from .._errors import InvalidArguments

Kind = Literal["text", "demos", "module", "float", "int", "choice"]
MODULES: Final[Mapping[str, Callable[..., Any]]] = {"Predict": dspy.Predict, "ChainOfThought": dspy.ChainOfThought}
_ATTRIBUTES = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Variable:
    """One knob: its name, its kind, its present or default value, and what else it may be."""

    name: str
    kind: Kind
    value: Any
    choices: Sequence[Any] | None = None
    low: float | None = None
    high: float | None = None

    def to_wire(self) -> dict[str, Any]:
        optional = {"choices": self.choices, "low": self.low, "high": self.high}
        wire: dict[str, Any] = {"name": self.name, "kind": self.kind, "value": self.value}
        return wire | {name: given for name, given in optional.items() if given is not None}

    def check(self, value: Any) -> Any:
        """`value` as this variable takes it; raises `InvalidArguments`."""
        if self.kind in ("choice", "module"):
            for choice in self.choices or ():
                if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                    return choice
            raise self._refuse(value, f"one of {list(self.choices or ())}")
        if self.kind in ("float", "int"):
            return self._number(value)
        if self.kind == "text":
            if not isinstance(value, str):
                raise self._refuse(value, "a text")
            return value
        if not isinstance(value, list) or not all(isinstance(demo, dict) for demo in value):
            raise self._refuse(value, "a list of maps")
        return value

    def _number(self, value: Any) -> float | int:
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        whole = self.kind == "float" or (number and value == int(value))
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not number or not whole or not low <= value <= high:
            raise self._refuse(value, f"{'a number' if self.kind == 'float' else 'a whole number'} in [{low}, {high}]")
        return float(value) if self.kind == "float" else int(value)

    def _refuse(self, value: Any, wanted: str) -> InvalidArguments:
        return InvalidArguments(f"assignment.{self.name}: {value!r} is not {wanted}")


@dataclass(frozen=True)
class _Slot:
    path: str
    predictor: Any
    module: str
    replaceable: bool


def variables_of(program: Any) -> list[Variable]:
    return [variable for slot in _slots(program).values() for variable in _variables_in(slot)]


def apply(program: Any, assignment: Mapping[str, Any]) -> Any:
    """A copy of `program` with the assigned values; raises `InvalidArguments` for what it does not have."""
    known = {variable.name: variable for variable in variables_of(program)}
    if unknown := sorted(assignment.keys() - known.keys()):
        raise InvalidArguments(f"assignment: no variable {', '.join(unknown)}; there are: {', '.join(known)}")
    values = {name: known[name].check(value) for name, value in assignment.items()}
    changed = program.deepcopy()
    for path, slot in _slots(changed).items():
        wanted = values.pop(f"{path}.module", slot.module)
        if wanted != slot.module:
            changed = _replaced(changed, slot, wanted)
    slots = _slots(changed)
    for name in sorted(values):
        path, kind, field = _split(name)
        _set(slots[path].predictor, kind, field, values[name])
    return changed


def _slots(program: Any) -> dict[str, _Slot]:
    slots: dict[str, _Slot] = {}
    for name, predictor in program.named_predictors():
        path, module = name, type(predictor).__name__
        owner_path = name.removesuffix("predict").removesuffix(".")
        if name == "predict" or name.endswith(".predict"):
            owner = _walk(program, owner_path)
            if type(owner) is dspy.ChainOfThought:
                path, module = owner_path or "self", "ChainOfThought"
        replaceable = module in MODULES and (path == "self" or _ATTRIBUTES.fullmatch(path) is not None)
        slots[path] = _Slot(path, predictor, module, replaceable)
    return slots


def _variables_in(slot: _Slot) -> list[Variable]:
    predictor, path = slot.predictor, slot.path
    found = [Variable(f"{path}.module", "module", slot.module, list(MODULES))] if slot.replaceable else []
    found += [
        Variable(f"{path}.instructions", "text", predictor.signature.instructions),
        Variable(f"{path}.demos", "demos", [dict(demo) for demo in predictor.demos]),
        Variable(f"{path}.temperature", "float", predictor.config.get("temperature"), low=0.0, high=2.0),
    ]
    fields = {**predictor.signature.input_fields, **predictor.signature.output_fields}
    return found + [
        Variable(f"{path}.field.{name}", "text", field.json_schema_extra["desc"]) for name, field in fields.items()
    ]


def _split(name: str) -> tuple[str, str, str]:
    """`slot.kind` or `slot.field.name`."""
    path, _, last = name.rpartition(".")
    return (path.removesuffix(".field"), "field", last) if path.endswith(".field") else (path, last, "")


def _set(predictor: Any, kind: str, field: str, value: Any) -> None:
    if kind == "instructions":
        predictor.signature = predictor.signature.with_instructions(value)
    elif kind == "field":
        predictor.signature = predictor.signature.with_updated_fields(field, desc=value)
    elif kind == "temperature":
        predictor.config = {**predictor.config, "temperature": value}
    else:
        predictor.demos = [dspy.Example(**demo) for demo in value]


def _replaced(program: Any, slot: _Slot, wanted: str) -> Any:
    """The program with another class in the slot: same signature, demos, configuration and model."""
    old = slot.predictor
    signature = old.signature.delete("reasoning") if slot.module == "ChainOfThought" else old.signature
    new: Any = MODULES[wanted](signature)
    predictor: Any = new.predict if wanted == "ChainOfThought" else new
    predictor.demos, predictor.config, predictor.lm = old.demos, old.config, old.lm
    if slot.path == "self":
        return new
    owner_path, _, attribute = slot.path.rpartition(".")
    setattr(_walk(program, owner_path), attribute, new)
    return program


def _walk(program: Any, path: str) -> Any:
    """The sub-module at a path of attributes of our own listing; None where the path goes through a list or map."""
    found = program
    for attribute in path.split(".") if path else ():
        found = getattr(found, attribute, None)
    return found
