"""Lightning without the notes that it would repeat for every fit of a study."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_NOTES = (r".*isinstance\(treespec, LeafSpec\)", r".*does not have many workers", r".*log_every_n_steps")


@contextmanager
def quiet_trainer() -> Iterator[None]:
    """Silence Lightning's notes of each Trainer within the block."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _NOTES:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
