"""A DSPy program as three functions of an app: `<name>.variables`, `<name>.run`, `<name>.evaluate`.

1. A program is a factory and an assignment, never state that stays in the worker: the same call gives the same program.
2. Rows are scored by their own answers and summed in their order, so the score does not depend on threads.
3. An answer that cannot be parsed is a wrong answer. Any other error fails the evaluation: an unreachable or refusing
   model must not look like a bad program.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnusedFunction=false

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from typing import Annotated, Any

import dspy
from dspy.utils.callback import ACTIVE_CALL_ID
from dspy.utils.exceptions import AdapterParseError
from pydantic import Field

from .._app import App
from .._errors import InvalidArguments, SignatureDrift
from ..signatures import check_inputs, spec_of
from ._job import Job, job
from ._predictor import outputs_of
from ._trace import RANK
from ._variables import Variable, apply, variables_of

Factory = Callable[..., Any]
Metric = Callable[[Any, Any], float]
"""Of a row (`dspy.Example`) and a prediction: 1 or true is right, 0 or false is wrong."""


@dataclass(frozen=True)
class _Row:
    index: int
    score: float
    output: Mapping[str, Any] | None
    error: str | None = None

    def to_wire(self) -> dict[str, Any]:
        wire = {"index": self.index, "correct": self.score >= 1.0, "score": self.score, "output": self.output}
        return wire if self.error is None else {**wire, "error": self.error}


def program(
    app: App,
    name: str,
    factory: Factory,
    *,
    metrics: Mapping[str, Metric],
    knobs: Sequence[Variable] = (),
    slots: bool = True,
    inputs: Sequence[str] | None = None,
    model: str = "default",
    signature: type[dspy.Signature] | None = None,
) -> None:
    """Registers a program.

    `factory()` makes the module. With `knobs` it is `factory(values)`: a map of every knob to its assigned or default
    value, for what is not a property of a predictor, the number of demonstrations for example. `slots=False` leaves
    the knobs as the only variables. `inputs` are the fields of a row that the module is called with; by default
    those of its first predictor.

    `signature` is what callers know of the program, by hash: a caller that was made from another one is told so before
    anything starts, `run` checks what goes in, and answers the outputs of the signature, checked.
    """
    border = signature
    own = None if border is None else spec_of(border)["hash"]

    def agree(theirs: str | None) -> None:
        if theirs is None or theirs == own:
            return
        if own is None:
            raise SignatureDrift(f"{name}: the caller has the signature {theirs}, and the program was given none")
        raise SignatureDrift(
            f"{name}: the caller has the signature {theirs}, the program {own}; "
            "`troupe signatures build` brings them together"
        )

    def build(assignment: Mapping[str, Any]) -> Any:
        values = {knob.name: knob.check(assignment.get(knob.name, knob.value)) for knob in knobs}
        rest = {key: value for key, value in assignment.items() if key not in values}
        if rest and not slots:
            raise InvalidArguments(f"assignment: no variable {', '.join(sorted(rest))}; there are: {', '.join(values)}")
        return apply(factory(values) if knobs else factory(), rest)

    def input_names(module: Any) -> Sequence[str]:
        return list(module.predictors()[0].signature.input_fields) if inputs is None else inputs

    @app.function(name=f"{name}.variables")
    def list_variables() -> list[dict[str, Any]]:
        """What can be assigned: `[{name, kind, value, choices?, low?, high?}]`."""
        return [variable.to_wire() for variable in (*knobs, *(variables_of(build({})) if slots else ()))]

    @app.function(name=f"{name}.run")
    def run(
        inputs: dict[str, Any], assignment: dict[str, Any] | None = None, signature: str | None = None
    ) -> dict[str, Any]:
        """The outputs of the program for one input; `signature` is the hash that the caller was made from."""
        agree(signature)
        module = build(assignment or {})
        if border is None:
            with job(model):
                return _outputs(module(**inputs))
        checked = check_inputs(border, inputs)
        with job(model), dspy.context(warn_on_type_mismatch=False):
            prediction = module(**checked)
        return outputs_of(border, prediction)

    @app.function(name=f"{name}.evaluate")
    def evaluate(
        rows: Annotated[list[dict[str, Any]], Field(min_length=1)],
        metric: str,
        assignment: dict[str, Any] | None = None,
        threads: Annotated[int, Field(ge=1, le=32)] = 4,
        detail: bool = False,
        signature: str | None = None,
    ) -> dict[str, Any]:
        """The mean score over the rows: `{score, correct, total, usage, rows?}`; `detail` asks for the rows."""
        agree(signature)
        if metric not in metrics:
            raise InvalidArguments(f"no metric '{metric}'; there are: {', '.join(metrics)}")
        module = build(assignment or {})
        with job(model) as current:
            scored = _evaluate(current, module, _examples(rows, input_names(module)), metric, metrics[metric], threads)
            summary = {
                "score": math.fsum(row.score for row in scored) / len(scored),
                "correct": sum(row.score >= 1.0 for row in scored),
                "total": len(scored),
                "usage": current.usage,
            }
        return {**summary, "rows": [row.to_wire() for row in scored]} if detail else summary


def _examples(rows: Sequence[Mapping[str, Any]], inputs: Sequence[str]) -> list[Any]:
    for index, row in enumerate(rows):
        if missing := [name for name in inputs if name not in row]:
            raise InvalidArguments(f"rows[{index}]: no {', '.join(missing)}")
    return [dspy.Example(**row).with_inputs(*inputs) for row in rows]


def _evaluate(
    current: Job, module: Any, examples: Sequence[Any], name: str, metric: Metric, threads: int
) -> list[_Row]:
    """Not `dspy.Evaluate`: that one leaves threads behind when it stops, and may run a slow row twice."""
    spans, span = current.call.spans, f"evaluate {name}"

    def one(index: int) -> _Row:
        RANK.set(index)
        current.call.check()
        return _score(module, index, examples[index], metric)

    spans.start(span, ACTIVE_CALL_ID.get(), "evaluate", name)
    outer = ACTIVE_CALL_ID.set(span)  # pyright: ignore[reportArgumentType]
    try:
        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="row") as pool:
            # DSPy's settings and its active call are context variables: every row gets a copy of its own.
            futures = [pool.submit(copy_context().run, one, index) for index in range(len(examples))]
            wait(futures, return_when=FIRST_EXCEPTION)
            pool.shutdown(cancel_futures=True)
        rows = _results(futures)
    except BaseException as error:
        spans.end(span, error)
        raise
    finally:
        ACTIVE_CALL_ID.reset(outer)
    spans.end(span)
    return rows


def _results(futures: Sequence[Future[_Row]]) -> list[_Row]:
    """All rows, or the error of the first that has one; rows start in order, so that it is always the same one."""
    for future in futures:
        if not future.cancelled() and (error := future.exception()) is not None:
            raise error
    return [future.result() for future in futures]


def _score(module: Any, index: int, example: Any, metric: Metric) -> _Row:
    try:
        prediction = module(**example.inputs())
    except AdapterParseError as error:
        return _Row(index, 0.0, None, str(error)[:300])
    score = float(metric(example, prediction))
    if not math.isfinite(score):
        raise ValueError(f"rows[{index}]: the metric gave {score}")
    return _Row(index, score, _outputs(prediction))


def _outputs(prediction: Any) -> dict[str, Any]:
    return dict(prediction.toDict())
