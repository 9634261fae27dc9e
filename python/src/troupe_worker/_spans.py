"""What happened inside a call, as a tree of spans.

1. Ids in the answer are small integers in tree order: parents first, siblings by `rank`, then by start. Two runs of the
   same deterministic work give the same ids, whatever the threads did.
2. At most `SPANS_PER_CALL` are answered; the cut is a prefix in tree order, so every parent is in the list.
3. Safe from any thread. A span that is still open when the call answers is closed there, as an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

SPANS_PER_CALL: Final = 2_000
_RECORDED: Final = 10 * SPANS_PER_CALL  # memory bound; beyond it spans are only counted

Kind = Literal["module", "lm", "adapter_format", "adapter_parse", "tool", "evaluate", "compile"]


@dataclass
class _Span:
    parent: str | None
    kind: Kind
    name: str
    rank: int
    start_s: float
    end_s: float | None = None
    failed: bool = False
    data: dict[str, Any] = field(default_factory=dict[str, Any])


class Spans:
    """The recorder of one call. `key` is any unique text; it does not travel."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._spans: dict[str, _Span] = {}
        self._lost = 0
        self._lock = threading.Lock()

    def start(self, key: str, parent: str | None, kind: Kind, name: str, *, rank: int = 0, **data: Any) -> None:
        span = _Span(parent, kind, name, rank, self._now(), data=data)
        with self._lock:
            if len(self._spans) < _RECORDED and (parent is None or parent in self._spans):
                self._spans[key] = span
            else:
                self._lost += 1

    def end(self, key: str, error: BaseException | None = None) -> None:
        with self._lock:
            span = self._spans.get(key)
            if span is None or span.end_s is not None:
                return
            span.end_s = self._now()
            if error is not None:
                span.failed = True
                span.data["error"] = f"{type(error).__qualname__}: {error}"[:300]

    def note(self, key: str | None, facts: Mapping[str, Any]) -> None:
        """Adds facts to a span that is known by now, for example the tokens of a model call."""
        with self._lock:
            span = self._spans.get(key or "")
            if span is not None:
                span.data.update(facts)

    def to_wire(self) -> tuple[list[dict[str, Any]], int]:
        """The spans of the answer, and how many were dropped."""
        with self._lock:
            order = _tree_order(self._spans)
            ids = {key: number for number, key in enumerate(order[:SPANS_PER_CALL], start=1)}
            now = self._now()
            wire = [self._one(self._spans[key], number, ids, now) for key, number in ids.items()]
            return wire, self._lost + len(order) - len(ids)

    def _one(self, span: _Span, number: int, ids: Mapping[str, int], now: float) -> dict[str, Any]:
        open_still = span.end_s is None
        data = {**span.data, "error": "not finished when the call answered"} if open_still else span.data
        wire: dict[str, Any] = {
            "id": number,
            "parent": None if span.parent is None else ids[span.parent],
            "kind": span.kind,
            "name": span.name,
            "startMs": self._ms(span.start_s),
            "endMs": self._ms(now if span.end_s is None else span.end_s),
            "status": "error" if span.failed or open_still else "ok",
        }
        return {**wire, "data": dict(data)} if data else wire

    def _ms(self, at_s: float) -> float:
        return round(1_000 * (at_s - self._began), 3)


def _tree_order(spans: Mapping[str, _Span]) -> list[str]:
    children: dict[str | None, list[str]] = {}
    for key in sorted(spans, key=lambda key: spans[key].rank):  # stable: within a rank, in start order
        children.setdefault(spans[key].parent, []).append(key)
    order: list[str] = []
    waiting = children.get(None, [])[::-1]
    while waiting:
        key = waiting.pop()
        order.append(key)
        waiting.extend(reversed(children.get(key, [])))
    return order
