"""Runs one function: a plain one in a thread of its own, a coroutine function on the loop.

1. The outcome is data. Nothing a function raises, `SystemExit` included, travels through the event loop.
2. Threads are daemons: one that never returns must not keep a worker that has decided to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from ._app import Function
from ._call import Call, running


@dataclass(frozen=True)
class Returned:
    value: object


@dataclass(frozen=True)
class Raised:
    error: BaseException


Outcome = Returned | Raised


def start(function: Function, args: Mapping[str, Any], call: Call) -> asyncio.Future[Outcome]:
    """Starts the function and returns its outcome to come. A stop of `call` cancels a coroutine."""
    return _on_loop(function, args, call) if function.is_async else _in_thread(function, args, call)


def _in_thread(function: Function, args: Mapping[str, Any], call: Call) -> asyncio.Future[Outcome]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Outcome] = loop.create_future()

    def settle(outcome: Outcome) -> None:
        if not done.done():
            done.set_result(outcome)

    def work() -> None:
        outcome: Outcome
        try:
            with running(call):
                outcome = Returned(function.call(**args))
        except BaseException as error:
            outcome = Raised(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=copy_context().run, args=(work,), name=f"call {function.name}", daemon=True).start()
    return done


def _on_loop(function: Function, args: Mapping[str, Any], call: Call) -> asyncio.Future[Outcome]:
    loop = asyncio.get_running_loop()

    async def work() -> Outcome:
        task = asyncio.current_task()
        assert task is not None
        try:
            with running(call), call.on_stop(lambda _: loop.call_soon_threadsafe(task.cancel)):
                return Returned(await function.call(**args))
        except BaseException as error:
            return Raised(error)

    return loop.create_task(work(), name=f"call {function.name}")
