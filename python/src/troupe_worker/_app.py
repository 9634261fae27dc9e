"""Functions by name, with their argument checks.

1. A caller reaches registered names only: no attribute is walked, no text is evaluated, nothing is unpickled.
2. Arguments are keyword arguments, checked strictly against the type hints before anything starts: a missing,
   unknown or wrongly typed one is `InvalidArguments` with every issue listed. Structured arguments are pydantic models
   or TypedDicts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ._errors import InvalidArguments

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Function:
    """One registered function."""

    name: str
    doc: str
    call: Callable[..., Any]
    is_async: bool
    arguments: type[BaseModel]

    def check(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments to call with; raises `InvalidArguments`."""
        try:
            checked = self.arguments.model_validate(args)
        except ValidationError as error:
            issues = [
                {"path": ".".join(str(part) for part in issue["loc"]), "message": issue["msg"]}
                for issue in error.errors(include_url=False, include_input=False)
            ]
            text = "; ".join(f"{issue['path']}: {issue['message']}" for issue in issues[:5])
            raise InvalidArguments(f"{self.name}: {text}", issues) from error
        return {name: getattr(checked, field) for name, field in _fields(self.arguments).items()}


class App:
    """A set of functions that a worker serves.

        app = App()

        @app.function
        def embed(texts: list[str]) -> list[list[float]]: ...

    A plain function runs in a thread of its own, a coroutine function on the worker's event loop.
    """

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}

    @overload
    def function(self, call: F, /) -> F: ...
    @overload
    def function(self, /, *, name: str) -> Callable[[F], F]: ...
    def function(self, call: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
        """Registers a function under its own name, or under `name`."""

        def register(function: F) -> F:
            self._add(_inspect(function, name or function.__name__))
            return function

        return register if call is None else register(call)

    def include(self, other: App) -> None:
        """Serves the functions of `other` too."""
        for function in other:
            self._add(function)

    def get(self, name: str) -> Function | None:
        return self._functions.get(name)

    def __iter__(self) -> Iterator[Function]:
        return iter(self._functions.values())

    def _add(self, function: Function) -> None:
        if function.name in self._functions:
            raise ValueError(f"two functions are named '{function.name}'; give one another name=")
        self._functions[function.name] = function


def _inspect(call: Callable[..., Any], name: str) -> Function:
    hints = get_type_hints(call, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name}: parameter '{parameter.name}' cannot be passed by name")
        if parameter.name not in hints:
            raise TypeError(
                f"{name}: parameter '{parameter.name}' needs a type hint; it is what callers are checked against"
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        # The prefix keeps names such as `json` or `_x` from clashing with attributes of the model class.
        fields[f"arg_{parameter.name}"] = (hints[parameter.name], Field(default, alias=parameter.name))
    arguments = create_model(
        f"Arguments of {name}",
        __config__=ConfigDict(strict=True, extra="forbid", protected_namespaces=()),
        **fields,
    )
    return Function(name, _summary(call), call, inspect.iscoroutinefunction(call), arguments)


def _fields(model: type[BaseModel]) -> dict[str, str]:
    return {field.alias or name: name for name, field in model.model_fields.items()}


def _summary(call: Callable[..., Any]) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((inspect.getdoc(call) or "").split("\n\n")[0].split())
