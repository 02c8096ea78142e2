"""What the clinical record alone says of density."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from score import FOLDS, compared, out_of_fold
from settings import Settings
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder
from table import Row

from xattn_bmd.metrics.regression import r2
from xattn_bmd.simulate.given_people import given_hips
from xattn_bmd.simulate.person import Hip

NUMERIC = ["age_xray", "age_dxa", "height", "weight", "bmi", "alcohol", "activity", "diet"]
CATEGORICAL = ["sex", "smoking"]


def measure(settings: Settings) -> list[Row]:
    """Return the row of the preset, and that of the table of real people where one is given."""
    rows = [_row("clinical record alone, ridge, R²", settings.development.hips(), settings)]
    if settings.subjects is not None:
        given = given_hips(settings.subjects, seed=settings.seed, scale=settings.scale)
        rows.append(_row("real rows: clinical record alone, ridge, R²", given, settings))
    return rows


def _row(name: str, hips: Sequence[Hip], settings: Settings) -> Row:
    people = pd.DataFrame([asdict(hip) for hip in hips])
    predicted = out_of_fold(people, first=_design(), target=people.fn_bmd, patients=people.patient)
    found = compared(r2, people.fn_bmd, predicted, people.patient, draws=settings.draws)
    return Row(name, "0.22-0.35", found, len(people), settings.seed, 0, f"{FOLDS} folds by patient, out of fold")


def _design() -> object:
    """Return the record as numbers: what is missing is the mean of the training part, or a category of its own."""
    return make_column_transformer(
        (SimpleImputer(missing_values=np.nan, keep_empty_features=True), NUMERIC),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORICAL),
    )
