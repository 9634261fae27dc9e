"""DSPy programs that the workers of the tests serve."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import dspy

from troupe_demo.docstrings import load_rows
from troupe_demo.triage import app as triage
from troupe_demo.triage import make
from troupe_worker import App
from troupe_worker.dspy import job, program

app = App()
app.include(triage)


class TwoSteps(dspy.Module):
    """A program with two slots, one of either kind."""

    def __init__(self) -> None:
        super().__init__()
        self.summarize = dspy.Predict("text -> summary")
        self.judge = dspy.ChainOfThought("summary -> verdict")

    def forward(self, text: str) -> Any:
        return self.judge(summary=self.summarize(text=text).summary)


def _same(row: Any, out: Any) -> float:
    return float(row.verdict == out.verdict)


program(app, "two", TwoSteps, inputs=["text"], metrics={"same": _same})

PLAIN = {"demos": 0, "demo_seed": 0, "style": "Predict", "temperature": 0.0, "instruction": "plain"}


@app.function(name="async")
async def asynchronous(text: str) -> str:
    with job():
        return (await make(PLAIN).acall(docstring=text)).module


@app.function
async def streamed(text: str) -> dict[str, Any]:
    listener = dspy.streaming.StreamListener(signature_field_name="module")
    chunks: list[str] = []
    prediction: Any = None
    with job():
        run: Any = dspy.streamify(make(PLAIN), stream_listeners=[listener])
        async for chunk in run(docstring=text):
            if isinstance(chunk, dspy.streaming.StreamResponse):
                chunks.append(chunk.chunk)
            elif isinstance(chunk, dspy.Prediction):
                prediction = chunk.toDict()
    return {"text": "".join(chunks), "prediction": prediction}


def weather(city: str) -> str:
    """The weather at a place, now."""
    return f"21 degrees in {city}"


class Asks(dspy.Signature):
    """Use the tools."""

    question: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    calls: dspy.ToolCalls = dspy.OutputField()


@app.function
def tooled(question: str) -> list[str]:
    """What the tools say that the model calls by itself."""
    tools = {tool.name: tool for tool in [dspy.Tool(weather)]}
    with job(), dspy.context(adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        found = dspy.Predict(Asks)(question=question, tools=list(tools.values()))
    return [tools[call.name](**call.args) for call in found.calls.tool_calls]


def _right(row: Any, out: Any, trace: Any = None) -> bool:
    return row.module == out.module


@app.function
def optimize(rows: int) -> dict[str, int]:
    train = [dspy.Example(**row).with_inputs("docstring") for row in load_rows().pool[:rows]]
    optimizer = dspy.BootstrapFewShot(metric=_right)
    with job() as current:
        found = optimizer.compile(make(PLAIN), trainset=train)
        return {"demos": len(found.predictors()[0].demos), **current.usage}
