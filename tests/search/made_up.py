"""A search that takes a second: the record alone, tiny networks, few trials."""

from tests.training.settings import tiny

SPACE = {
    "models": {"choices": ["metadata_only", "ridge"]},
    "model.dropout": {"low": 0.0, "high": 0.5, "when": {"models": ["metadata_only"]}},
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True, "when": {"models": ["metadata_only"]}},
}


def asked(**changes):
    """Return the arguments of a tiny search, with some changed."""
    settings = tiny(models=("metadata_only",), folds=2)
    return {"space": SPACE, "trials": 3, "inner_folds": 3, "config": settings, "progress": False} | changes
