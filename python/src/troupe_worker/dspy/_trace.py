"""DSPy's callbacks as spans of the call.

1. The parent of a span is DSPy's own active call; it follows into threads and tasks.
2. `RANK` orders what runs side by side: whoever starts threads gives each its place in line.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from dspy.utils.callback import ACTIVE_CALL_ID, BaseCallback

from .._spans import Kind, Spans

RANK: ContextVar[int] = ContextVar("troupe_rank", default=0)


class SpanCallback(BaseCallback):
    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def _start(self, kind: Kind, call_id: str, instance: Any) -> None:
        name = getattr(instance, "name", None) if kind == "tool" else None
        self._spans.start(call_id, ACTIVE_CALL_ID.get(), kind, str(name or type(instance).__name__), rank=RANK.get())

    def _end(self, call_id: str, exception: BaseException | None) -> None:
        self._spans.end(call_id, exception)

    def on_module_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        self._start("module", call_id, instance)

    def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._end(call_id, exception)

    def on_lm_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        self._start("lm", call_id, instance)

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._end(call_id, exception)

    def on_adapter_format_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        self._start("adapter_format", call_id, instance)

    def on_adapter_format_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._end(call_id, exception)

    def on_adapter_parse_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        self._start("adapter_parse", call_id, instance)

    def on_adapter_parse_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._end(call_id, exception)

    def on_tool_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        self._start("tool", call_id, instance)

    def on_tool_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._end(call_id, exception)

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        self._start("evaluate", call_id, instance)

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._end(call_id, exception)

    def on_compile_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        self._start("compile", call_id, instance)

    def on_compile_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._end(call_id, exception)
