"""Troupe's Python workers: typed functions served over NATS.

from troupe_worker import App

app = App()

@app.function
def embed(texts: list[str]) -> list[list[float]]: ...

$ python -m troupe_worker my_module:app --pool general --nats nats://127.0.0.1:4222
"""

from ._app import App
from ._call import Call, current_call
from ._errors import CallStopped, InvalidArguments

__all__ = ["App", "Call", "CallStopped", "InvalidArguments", "current_call"]
