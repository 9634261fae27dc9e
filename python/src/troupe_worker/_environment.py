"""Environment a worker needs before anything heavy is imported.

1. What the user has set stays, except for variables that would silently send model calls past the bus.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MISLEADING = ("OPENAI_BASE_URL", "OPENAI_API_BASE")  # DSPy switches its backend when it sees one


def prepare(environ: MutableMapping[str, str]) -> None:
    environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")  # else DSPy fetches a price list over the network
    for name in _ONE_THREAD:  # processes are the unit of parallelism here
        environ.setdefault(name, "1")
    if "DSPY_CACHEDIR" not in environ:
        environ["DSPY_CACHEDIR"] = str(_private_folder("troupe-dspy"))
    for name in _MISLEADING:
        environ.pop(name, None)


def _private_folder(name: str) -> Path:
    """One folder per user, so that killed workers leave nothing behind; a fresh one if somebody else made it."""
    if not hasattr(os, "getuid"):
        return Path(tempfile.gettempdir()) / name
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix=f"{name}-"))
    return folder
