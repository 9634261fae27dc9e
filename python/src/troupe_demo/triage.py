"""Docstring triage: which module of the standard library does a docstring come from?

A DSPy program with five knobs, on real text, with whatever model the bus serves.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

import dspy

from troupe_worker import App
from troupe_worker.dspy import Variable, predictor, program

from .docstrings import LABELS, Row, load_rows
from .signatures_gen import Triage

app = App()

INSTRUCTIONS: Final[Mapping[str, str]] = {
    "plain": "Name the module of Python's standard library that this docstring comes from.",
    "words": "Look at the nouns and verbs of this docstring. Name the module of Python's standard library in whose "
    "documentation they would stand together.",
    "hints": "Name the module of Python's standard library that this docstring comes from. "
    "Options, arguments, parsers and help on the command line belong to argparse. "
    "Dates, times, days of the week, time zones and durations belong to datetime. "
    "Numbers with a context, digits, rounding, exponents and signs belong to decimal. "
    "Messages with headers, payloads, parts and attachments belong to email. "
    "Handlers, formatters, filters and levels of records belong to logging. "
    "Connections, addresses, ports and hosts of a network belong to socket. "
    "Members of a tar archive with owners, links and modes belong to tarfile. "
    "Entries of a compressed ZIP archive with passwords and comments belong to zipfile.",
}

KNOBS: Final = (
    Variable("demos", "int", 0, low=0, high=16),
    Variable("demo_seed", "choice", 0, choices=[0, 1, 2, 3]),
    Variable("style", "choice", "Predict", choices=["Predict", "ChainOfThought"]),
    Variable("temperature", "float", 0.0, low=0.0, high=1.0),
    Variable("instruction", "choice", "plain", choices=list(INSTRUCTIONS)),
)


@app.function(name="triage.rows")
def rows() -> dict[str, Any]:
    """The labels, the size of the pool of demonstrations, and the rows to score: `{labels, pool, dev, heldOut}`."""
    loaded = load_rows()
    return {"labels": list(LABELS), "pool": len(loaded.pool), "dev": loaded.dev, "heldOut": loaded.held_out}


def make(values: Mapping[str, Any]) -> Any:
    """The program for one assignment of the knobs."""
    signature: Any = Triage.with_instructions(INSTRUCTIONS[values["instruction"]])
    style = dspy.ChainOfThought if values["style"] == "ChainOfThought" else dspy.Predict
    made: Any = style(signature, temperature=values["temperature"])
    made.predictors()[0].demos = [dspy.Example(**row) for row in _demonstrations(values)]
    return made


def _demonstrations(values: Mapping[str, Any]) -> list[Row]:
    """The first so many of the pool in the order of a seed: more of them keep those that were there."""
    pool = list(load_rows().pool)
    random.Random(values["demo_seed"]).shuffle(pool)
    return pool[: values["demos"]]


def _exact(row: Any, prediction: Any) -> float:
    return float(row.module == prediction.module)


program(app, "triage", make, metrics={"exact": _exact}, knobs=KNOBS, slots=False, signature=Triage)
predictor(app)
