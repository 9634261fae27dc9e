"""Search spaces and trials as they travel, and as Optuna wants them. Pure.

1. Everything that Optuna would only notice later, or not at all, is refused here: NaN, empty ranges, values outside the
   space, two trials of one number.
2. The order in which a caller lists parameters or trials has no meaning: names are sorted, trials go by their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from .._errors import InvalidArguments

Value = bool | int | FiniteFloat | str | None
"""Of one parameter. A float range may be handed whole numbers as integers: JavaScript does not tell them apart."""


class _Plain(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class FloatRange(_Plain):
    kind: Literal["float"]
    low: FiniteFloat
    high: FiniteFloat
    log: bool = False
    step: FiniteFloat | None = None


class IntRange(_Plain):
    kind: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int = 1


class Choice(_Plain):
    kind: Literal["choice"]
    choices: Annotated[list[Value], Field(min_length=1)]


Space = Mapping[str, Annotated[FloatRange | IntRange | Choice, Field(discriminator="kind")]]


class Trial(_Plain):
    number: int
    params: dict[str, Value]
    state: Literal["complete", "running", "failed"]
    value: FiniteFloat | None = None


_STATES = {"complete": TrialState.COMPLETE, "running": TrialState.RUNNING, "failed": TrialState.FAIL}


def to_distributions(space: Space) -> dict[str, BaseDistribution]:
    if not space:
        raise InvalidArguments("the space is empty")
    return {name: _distribution(name, space[name]) for name in sorted(space)}


def _distribution(name: str, variable: FloatRange | IntRange | Choice) -> BaseDistribution:
    try:
        if isinstance(variable, FloatRange):
            return FloatDistribution(variable.low, variable.high, log=variable.log, step=variable.step)
        if isinstance(variable, IntRange):
            return IntDistribution(variable.low, variable.high, log=variable.log, step=variable.step)
    except ValueError as error:
        raise InvalidArguments(f"space.{name}: {error}") from error
    if len(set(variable.choices)) < len(variable.choices):
        raise InvalidArguments(f"space.{name}: two choices are equal (1, 1.0 and true are)")
    return CategoricalDistribution(variable.choices)


def to_frozen(trials: Sequence[Trial], distributions: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
    ordered = sorted(trials, key=lambda trial: trial.number)
    if len({trial.number for trial in ordered}) < len(ordered):
        raise InvalidArguments("two trials have the same number")
    return [_frozen(trial, distributions) for trial in ordered]


def _frozen(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    where = f"trials[number={trial.number}]"
    if unknown := trial.params.keys() - distributions.keys():
        raise InvalidArguments(f"{where}: not in the space: {', '.join(sorted(unknown))}")
    if (trial.state == "complete") != (trial.value is not None):
        raise InvalidArguments(f"{where}: a complete trial has a value, others have none")
    names = sorted(trial.params)
    try:
        return create_trial(
            state=_STATES[trial.state],
            value=trial.value,
            params={name: _typed(trial.params[name], distributions[name]) for name in names},
            distributions={name: distributions[name] for name in names},
        )
    except (ValueError, TypeError) as error:
        raise InvalidArguments(f"{where}: {error}") from error


def _typed(value: Value, distribution: BaseDistribution) -> Value:
    return float(value) if isinstance(distribution, FloatDistribution) and type(value) is int else value
