"""Optuna's samplers as pure functions."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import pytest
from harness import SOURCES

from troupe_worker import InvalidArguments
from troupe_worker.optuna import app

SPACE: dict[str, Any] = {
    "demos": {"kind": "int", "low": 0, "high": 16},
    "style": {"kind": "choice", "choices": ["Predict", "ChainOfThought"]},
    "temperature": {"kind": "float", "low": 0, "high": 1},
}


def call(name: str, args: dict[str, Any]) -> Any:
    function = app.get(name)
    assert function is not None
    return function.call(**function.check(args))


def ask(**changes: Any) -> dict[str, Any]:
    args: dict[str, Any] = {"study": "s", "seed": 7, "sampler": "tpe", "direction": "maximize", "op": "op-1"}
    return call("optuna.ask", {**args, "space": SPACE, "trials": TRIALS, **changes})["params"]


def _trial(number: int, state: str = "complete") -> dict[str, Any]:
    params = {"demos": number % 17, "style": SPACE["style"]["choices"][number % 2], "temperature": (number % 10) / 10}
    return {"number": number, "params": params, "state": state} | (
        {"value": number % 17 / 17} if state == "complete" else {}
    )


TRIALS = [_trial(number) for number in range(20)]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("trials", [[], TRIALS, [*TRIALS, _trial(20, "running"), _trial(21, "failed")]])
def test_the_same_ask_gives_the_same_parameters_in_any_process(sampler: str, trials: list[dict[str, Any]]) -> None:
    changes = {"sampler": sampler, "trials": trials}
    here = ask(**changes)
    script = "import json, sys, test_optuna as t; print(json.dumps(t.ask(**json.loads(sys.argv[1]))))"
    paths = os.pathsep.join([str(SOURCES), os.path.dirname(__file__)])
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", script, json.dumps(changes)]
        found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        assert json.loads(found.stdout) == here


def test_what_was_asked_before_does_not_matter() -> None:
    first = ask(op="x")
    for number in range(5):
        ask(op=f"other {number}", trials=TRIALS[:number])
    assert ask(op="x") == first


def test_the_order_of_names_and_trials_does_not_matter() -> None:
    assert ask(space=dict(reversed(SPACE.items())), trials=TRIALS[::-1]) == ask()


def test_another_operation_or_seed_asks_for_something_else() -> None:
    temperatures = {ask(**change)["temperature"] for change in ({}, {"op": "op-2"}, {"op": "op-3"}, {"seed": 8})}
    assert len(temperatures) == 4


def test_tpe_learns_from_the_trials() -> None:
    good = [ask(op=f"op-{n}", trials=[_trial(number) for number in range(60)])["demos"] for n in range(20)]
    blind = [ask(op=f"op-{n}", trials=[])["demos"] for n in range(20)]
    assert sum(good) / 20 > sum(blind) / 20 + 2


def test_running_trials_are_seen() -> None:
    crowd = [{**_trial(16), "number": 20 + n, "state": "running", "value": None} for n in range(10)]
    asked = [[ask(op=f"op-{n}", trials=TRIALS + more) for n in range(10)] for more in ([], crowd)]
    assert asked[0] != asked[1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trials": [{**_trial(0), "value": math.nan}]}, "finite number"),
        ({"trials": [{**_trial(0), "value": None}]}, "a complete trial has a value"),
        ({"trials": [_trial(1), _trial(1)]}, "the same number"),
        ({"trials": [{**_trial(0), "params": {"demos": 99}}]}, "number=0"),
        ({"trials": [{**_trial(0), "params": {"lr": 1}}]}, "not in the space: lr"),
        ({"space": {}}, "the space is empty"),
        ({"space": {"a": {"kind": "float", "low": 2, "high": 1}}, "trials": []}, "space.a"),
        ({"space": {"a": {"kind": "float", "low": 0, "high": math.inf}}, "trials": []}, "finite number"),
        ({"space": {"a": {"kind": "choice", "choices": [1, True]}}, "trials": []}, "two choices are equal"),
        ({"space": {"a": {"kind": "text"}}, "trials": []}, "does not match any of the expected tags"),
        ({"sampler": "cma"}, "'tpe' or 'random'"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArguments, match=says):
        ask(**changes)


def test_check_counts() -> None:
    args = {"sampler": "tpe", "direction": "maximize", "space": SPACE, "trials": TRIALS}
    assert call("optuna.check", args) == {"variables": ["demos", "style", "temperature"], "combinations": None}
    finite = {name: SPACE[name] for name in ("demos", "style")}
    assert call("optuna.check", {**args, "space": finite, "trials": []})["combinations"] == 34
