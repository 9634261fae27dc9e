"""DSPy programs as functions of a worker, their model calls answered on the bus.

    from troupe_worker import App
    from troupe_worker.dspy import program

    app = App()
    program(app, "triage", lambda: dspy.ChainOfThought("text -> label"), metrics={"exact": exact})

registers `triage.variables`, `triage.run` and `triage.evaluate`. Functions that use DSPy in another way, an optimizer
for example, do so inside `with job():`. `predictor(app)` registers `signature.predict`, which runs any signature of
TypeScript without a program. Either way `dspy.configure` is never called and no key is ever needed.
"""

from ._engine import AsyncBusEngine, BusEngine
from ._job import Job, job
from ._predictor import predictor
from ._program import program
from ._variables import Variable, apply, variables_of

__all__ = ["AsyncBusEngine", "BusEngine", "Job", "Variable", "apply", "job", "predictor", "program", "variables_of"]
