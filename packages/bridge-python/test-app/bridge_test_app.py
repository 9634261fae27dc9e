"""What the workers of the bridge's tests serve."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from troupe_worker import App, current_call

app = App()


@app.function
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


@app.function
def echo(value: Any) -> Any:
    return value


@app.function
def fail(text: str) -> None:
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError(text) from error


@app.function
def work(seconds: float, mark: str = "") -> int:
    """Works until told to stop; `mark` is a file that gets this worker's pid when the work begins."""
    if mark:
        with Path(mark).open("a") as file:
            file.write(f"{os.getpid()}\n")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        current_call().check()
        time.sleep(0.005)
    return os.getpid()


@app.function
def stubborn(seconds: float) -> str:
    """Does not care about its deadline."""
    time.sleep(seconds)
    return "slept"


@app.function
def die() -> None:
    os.abort()
