"""How well a network reads density from the picture alone, in other people of the same hospitals."""

from __future__ import annotations

from network import described, readings, trained
from score import compared
from settings import Settings
from table import Row

from xattn_bmd.metrics.regression import pearson_r, r2


def measure(settings: Settings) -> list[Row]:
    """Return r and R²."""
    people = settings.others
    found = readings(trained(settings), people, settings)
    columns = (found["fn_bmd"], found["read"], found["patient_id"])
    return [
        Row(
            f"image alone, {name}", wanted, compared(metric, *columns, draws=settings.draws),
            len(found), people.seed, settings.size, f"{described(settings)}; other people of the same hospitals",
        )
        for name, metric, wanted in (("r", pearson_r, "0.80-0.93"), ("R²", r2, ""))
    ]  # fmt: skip
