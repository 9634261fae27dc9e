"""`signature.predict`: any signature, without Python code by the user.

1. The spec comes with every call: it is half a kilobyte, and a worker that has just started needs nothing else. A
   process makes one class of it.
2. Inputs are checked before anything starts, outputs before they leave.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import dspy
from pydantic import BaseModel, ConfigDict, Field

from .._app import App
from .._errors import InvalidArguments
from ..signatures import check_inputs, check_outputs, signature_of
from ._job import job

Module = Literal["Predict", "ChainOfThought"]


class ModelConfig(BaseModel):
    """What a call may ask of the model. Nothing here can redirect it: which model answers is up to the worker."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop: list[str] | None = None


def predictor(app: App, *, model: str = "default") -> None:
    """Registers `signature.predict`. A worker that serves it answers for every signature of TypeScript."""

    @app.function(name="signature.predict")
    def predict(
        spec: dict[str, Any],
        inputs: dict[str, Any],
        module: Module = "Predict",
        config: ModelConfig | None = None,
    ) -> dict[str, Any]:
        """The outputs of a signature for one input."""
        cls = signature_of(spec)
        thinks = module == "ChainOfThought"
        if thinks and "reasoning" in cls.model_fields:
            raise InvalidArguments("module: ChainOfThought adds a field 'reasoning', and the signature has one")
        checked = check_inputs(cls, inputs)
        settings = config.model_dump(exclude_none=True) if config else {}
        made: Any = dspy.ChainOfThought(cls, **settings) if thinks else dspy.Predict(cls, **settings)
        with job(model), dspy.context(warn_on_type_mismatch=False):
            prediction = made(**checked)
        return outputs_of(cls, prediction)


def outputs_of(cls: type[dspy.Signature], prediction: Any) -> dict[str, Any]:
    """What the signature says of a prediction, checked; modules such as `ChainOfThought` may know more."""
    given: Mapping[str, Any] = prediction.toDict()
    meta: Any = cls
    return check_outputs(cls, {name: given[name] for name in meta.output_fields if name in given})
