import numpy as np
import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import calibration_rows, crossfit
from xattn_bmd.metrics.predictions import prediction_grid

TABLE = made_up_table(patients=30, per_patient=2, repeats=2, folds=3)
GRID = prediction_grid(TABLE)


def inner_table(table=TABLE):
    """Return what could have been kept of inner validation parts: rows of the next fold."""
    return table.assign(fold=(table["fold"] + 1) % 3, prediction=table["prediction"] + 0.01)


def test_every_radiograph_is_scored_once_and_never_fitted_on():
    fits = crossfit(GRID, model="xattn", fit=lambda rows: rows)
    assert len(fits) == 6
    for repeat in range(2):
        covered = np.sum([fit.rows for fit in fits if fit.repeat == repeat], axis=0)
        assert (covered == 1).all()
    for fit in fits:
        scored = set(GRID.target[fit.rows])
        assert not scored & set(fit.fitted.target)
        assert len(fit.fitted.target) + fit.rows.sum() == 60
        assert fit.on == "other folds"


def test_what_is_scored_cannot_move_the_fit():
    fits = crossfit(GRID, model="concat", fit=lambda rows: float(np.mean(rows.target - rows.prediction)))
    changed = TABLE.copy()
    inside = changed["fold"].eq(1) & changed["repeat"].eq(0)
    moved = changed.loc[inside, "radiograph_id"]
    changed.loc[changed["radiograph_id"].isin(moved), "target"] += 0.3
    again = crossfit(
        prediction_grid(changed), model="concat", fit=lambda rows: float(np.mean(rows.target - rows.prediction))
    )
    same = [a.fitted == b.fitted for a, b in zip(fits, again, strict=True)]
    assert same[1]
    assert not any(same[:1] + same[2:3])


def test_inner_validation_parts_are_used_where_they_are_given():
    inner = inner_table()
    fits = crossfit(GRID, model="ridge", fit=lambda rows: rows, calibration=calibration_rows(inner))
    for fit in fits:
        assert fit.on == "inner validation part"
        fold = GRID.fold_labels[GRID.folds[fit.repeat][fit.rows][0]]
        wanted = inner[inner["model"].eq("ridge") & inner["repeat"].eq(fit.repeat) & inner["fold"].eq(fold)]
        assert fit.fitted.prediction == pytest.approx(wanted["prediction"].to_numpy())


def test_a_lacking_inner_part_is_named():
    inner = inner_table()
    cut = inner[~(inner["model"].eq("xattn") & inner["repeat"].eq(1) & inner["fold"].eq(2))]
    with pytest.raises(MetricError, match=r"model xattn, repeat 1, fold 2 has none"):
        crossfit(GRID, model="xattn", fit=len, calibration=calibration_rows(cut))


def test_a_single_fold_has_nothing_to_fit_on():
    single = TABLE.assign(fold=0)
    grid = prediction_grid(single[single["repeat"] == 0])
    assert crossfit(grid, model="xattn", fit=lambda rows: rows) == []
    inner = calibration_rows(pd.DataFrame(single))
    assert len(crossfit(grid, model="xattn", fit=len, calibration=inner)) == 1
