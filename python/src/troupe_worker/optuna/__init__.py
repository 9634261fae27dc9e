"""Optuna's samplers as pure functions.

    from troupe_worker.optuna import app     # optuna.ask, optuna.check

The study lives in an actor's journal; a worker is handed the trials it needs and keeps nothing.
"""

from ._app import app, ask, check
from ._space import Choice, FloatRange, IntRange, Space, Trial, Value

__all__ = ["Choice", "FloatRange", "IntRange", "Space", "Trial", "Value", "app", "ask", "check"]
