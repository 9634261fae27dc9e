"""Programs with a signature at their border, and the predictor of any signature."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any, Literal

import dspy

from troupe_worker import App
from troupe_worker.dspy import predictor, program

app = App()


class Triage(dspy.Signature):
    """Which label fits the text?"""

    text: str = dspy.InputField()
    tries: int = dspy.InputField()
    label: Literal["bug", "wish"] = dspy.OutputField()


class Careless(dspy.Module):
    """Answers with what the signature does not allow, and something that it does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.step = dspy.Predict(Triage)

    def forward(self, text: str, tries: int) -> Any:
        return dspy.Prediction(label=text, tries_left=tries - 1)


def _same(row: Any, out: Any) -> float:
    return float(row.label == out.label)


program(app, "triage", lambda: dspy.ChainOfThought(Triage), metrics={"same": _same}, signature=Triage)
program(app, "careless", Careless, metrics={"same": _same}, signature=Triage)
program(app, "plain", lambda: dspy.Predict(Triage), metrics={"same": _same})
predictor(app)
