"""What the workers of the tests serve."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
import time
from typing import Any, Literal

from troupe_worker import App, current_call

app = App()
_started: dict[str, int] = {}


@app.function
def add(a: int, b: int = 1) -> int:
    """Adds two numbers.

    This paragraph is not part of the summary.
    """
    return a + b


@app.function(name="text.shout")
async def shout(text: str, style: Literal["loud", "louder"] = "loud") -> str:
    await asyncio.sleep(0)
    return text.upper() + ("!" if style == "loud" else "!!!")


@app.function
def echo(value: Any) -> Any:
    print("libraries print to stdout, and that must not matter")
    return value


@app.function
def fail() -> None:
    try:
        {}["api_key=abc123def"]
    except KeyError as error:
        raise RuntimeError("the outer failure, password=hunter2") from error


@app.function
def unsendable() -> object:
    return threading.Lock()


@app.function
def big(size_bytes: int) -> str:
    return "x" * size_bytes


@app.function
def pid() -> int:
    return os.getpid()


@app.function
def polite(seconds: float) -> str:
    """Works for a while, and stops when told."""
    _count()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        current_call().check()
        time.sleep(0.005)
    return f"run {_started[current_call().id]}"


@app.function
async def polite_async(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@app.function
def stubborn(seconds: float) -> str:
    """Does not care about its deadline."""
    time.sleep(seconds)
    return "slept"


@app.function
def hold(seconds: float) -> str:
    """C code that keeps the interpreter lock."""
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    return "held"


@app.function
def leave() -> None:
    sys.exit("a function cannot end its worker")


@app.function
def die() -> None:
    os.abort()


def _count() -> None:
    id = current_call().id
    _started[id] = _started.get(id, 0) + 1
