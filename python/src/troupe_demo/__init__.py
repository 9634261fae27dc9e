"""The demo's functions: `troupe_demo.triage:app` for DSPy workers, `troupe_demo.optimizer:app` for optimizers."""
