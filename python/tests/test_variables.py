"""Listing and assigning the variables of a DSPy program; what we use of DSPy's private parts."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import importlib.metadata
from typing import Any

import dspy
import pytest
from dspy.lm15 import Config, Message, RateLimitError, Request
from programs import TwoSteps

from troupe_worker import InvalidArguments
from troupe_worker.dspy import apply, variables_of
from troupe_worker.dspy._lm15 import error_from_wire, event_from_wire, request_to_wire, response_from_wire


def state(program: Any) -> dict[str, Any]:
    return {variable.name: variable.value for variable in variables_of(program)}


def test_apply_leaves_the_program_as_it_was() -> None:
    program = TwoSteps()
    before = state(program)
    changed = apply(
        program, {"judge.instructions": "New.", "judge.field.verdict": "guilty or not", "judge.temperature": 1}
    )
    assert state(program) == before
    assert state(changed) == {
        **before, "judge.instructions": "New.", "judge.field.verdict": "guilty or not", "judge.temperature": 1.0,
    }  # fmt: skip


def test_a_slot_keeps_its_name_and_values_when_its_class_changes() -> None:
    demos = [{"summary": "a", "verdict": "b"}]
    assignment = {"judge.demos": demos, "judge.module": "Predict", "summarize.module": "ChainOfThought"}
    changed = apply(TwoSteps(), dict(reversed(assignment.items())))
    assert {name: state(changed)[name] for name in assignment} == assignment
    assert [name for name, _ in changed.named_predictors()] == ["summarize.predict", "judge"]
    assert "judge.field.reasoning" not in state(changed)
    back = apply(changed, {"judge.module": "ChainOfThought"})
    assert state(back)["judge.demos"] == demos


def test_a_program_that_is_one_predictor_is_the_slot_self() -> None:
    changed = apply(dspy.Predict("question -> answer"), {"self.module": "ChainOfThought", "self.instructions": "Go."})
    assert (type(changed).__name__, state(changed)["self.instructions"]) == ("ChainOfThought", "Go.")


def test_predictors_in_lists_can_be_set_but_not_replaced() -> None:
    class Many(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = [dspy.Predict("a -> b"), dspy.ChainOfThought("b -> c")]

    names = [variable.name for variable in variables_of(Many())]
    assert "steps[0].instructions" in names
    assert not [name for name in names if name.endswith(".module")]
    assert state(apply(Many(), {"steps[1].predict.instructions": "X"}))["steps[1].predict.instructions"] == "X"


@pytest.mark.parametrize(
    "assignment",
    [
        {"judge.module": "ReAct"},
        {"judge.temperature": 3},
        {"judge.temperature": True},
        {"judge.temperature": float("nan")},
        {"judge.instructions": 1},
        {"judge.demos": "all"},
        {"judge.signature": "a -> b"},
        {"judge.__class__": "x"},
    ],
)
def test_what_a_variable_cannot_be_is_refused(assignment: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments):
        apply(TwoSteps(), assignment)


def test_dspy_is_the_version_whose_private_parts_we_know() -> None:
    assert importlib.metadata.version("dspy").startswith("3.4.")


def test_requests_and_answers_keep_their_form_on_the_wire() -> None:
    request = Request(
        model="troupe/m", system="Be.", messages=(Message.user("Hi"),), config=Config(temperature=0.5, max_tokens=9)
    )
    assert request_to_wire(request) == {
        "model": "m",
        "system": "Be.",
        "messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
        "config": {"max_tokens": 9, "temperature": 0.5},
    }
    message = {"role": "assistant", "parts": [{"type": "text", "text": "Yo"}]}
    usage = {"input_tokens": 1, "output_tokens": 2}
    response = response_from_wire(
        {"id": "1", "model": "m", "message": message, "finish_reason": "stop", "usage": usage}
    )
    assert (response.message.text, response.usage.output_tokens) == ("Yo", 2)
    delta = event_from_wire({"type": "delta", "delta": {"type": "text", "part_index": 0, "text": "Y"}})
    assert delta.delta.text == "Y"
    error = error_from_wire({"code": "rate_limit", "message": "slow", "retry_after": 2, "status": 429})
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, error.status) == (2.0, 429)
