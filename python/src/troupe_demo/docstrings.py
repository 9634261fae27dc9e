"""Real text without a download: the docstrings of eight modules of the running interpreter's standard library.

1. The same interpreter gives the same rows in the same order: everything is sorted or shuffled with a fixed seed.
2. The three parts have no row in common. `pool` is where demonstrations come from, `dev` is what an optimizer may score
   against as often as it likes, `held_out` is for one look at the end.
"""

from __future__ import annotations

import importlib
import inspect
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Final

MODULES: Final = ("argparse", "datetime", "decimal", "email.message", "logging", "socket", "tarfile", "zipfile")
LABELS: Final = tuple(name.split(".")[0] for name in MODULES)
_PER_MODULE: Final = 24
_POOL: Final = 72
_DEV: Final = 50
_SEED: Final = 20_240_229

Row = dict[str, str]


@dataclass(frozen=True)
class Rows:
    pool: list[Row]
    dev: list[Row]
    held_out: list[Row]


@cache
def load_rows() -> Rows:
    chance = random.Random(_SEED)
    rows: list[Row] = []
    seen: set[str] = set()
    for name in MODULES:
        texts = sorted({text for text in _summaries(importlib.import_module(name)) if text not in seen})
        seen.update(texts)
        chance.shuffle(texts)
        rows += [{"docstring": text, "module": name.split(".")[0]} for text in texts[:_PER_MODULE]]
    chance.shuffle(rows)
    return Rows(rows[:_POOL], rows[_POOL : _POOL + _DEV], rows[_POOL + _DEV :])


def _summaries(module: ModuleType) -> Iterator[str]:
    """The first paragraphs of what the module defines, where they are neither a word nor an essay."""
    for thing in _defined_in(module):
        text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
        if 30 < len(text) < 300:
            yield text


def _defined_in(module: ModuleType) -> Iterator[object]:
    root = module.__name__.split(".")[0]
    for thing in vars(module).values():
        home = str(getattr(thing, "__module__", "") or "").lstrip("_").split(".")[0]
        if home != root or not callable(thing):
            continue
        yield thing
        if inspect.isclass(thing):
            yield from (member for member in vars(thing).values() if callable(member) or isinstance(member, property))
