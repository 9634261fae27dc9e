"""The functions of an optimizer worker: Optuna's samplers."""

from troupe_worker import App
from troupe_worker.optuna import app as optuna

app = App()
app.include(optuna)
