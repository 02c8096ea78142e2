"""What is drawn is what was found."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.explanation.record.made_up import made_up_contributions
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.record.figures.beeswarm import beeswarm
from xattn_bmd.explanation.record.figures.dependence import dependence
from xattn_bmd.explanation.record.figures.modalities import modality_bars
from xattn_bmd.explanation.record.figures.waterfall import waterfall
from xattn_bmd.explanation.record.modality_shares import modality_shares


def _labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def _points(axes):
    return [np.asarray(part.get_offsets()) for part in axes.collections if len(part.get_offsets())]


def test_beeswarm_draws_every_contribution_in_its_row():
    made = made_up_contributions()
    axes = beeswarm(made).axes[0]
    order = np.argsort(-np.abs(made.record).mean(axis=0))
    assert _labels(axes) == ["image", *(made.variables[at] for at in order)]
    points = np.concatenate(_points(axes))
    for row, values in enumerate([made.image, *made.record[:, order].T]):
        drawn = points[np.round(points[:, 1]) == row, 0]
        np.testing.assert_allclose(np.sort(drawn), np.sort(values))


def test_waterfall_steps_from_the_mean_to_the_estimate():
    made = made_up_contributions()
    figure = waterfall(made, "hip_1")
    axes = figure.axes[0]
    bars = sorted(axes.patches, key=lambda bar: -bar.get_y())
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    assert ends[0][0] == pytest.approx(made.mean[1]) and ends[-1][1] == pytest.approx(made.prediction[1])
    for (_, before), (after, _) in pairwise(ends):
        assert before == pytest.approx(after)
    assert "smoking = missing" in _labels(axes) and _labels(axes)[0] == "estimate"
    sizes = [abs(bar.get_width()) for bar in bars]
    assert sizes == sorted(sizes)


def test_waterfall_of_nobody():
    with pytest.raises(RunError, match="'hip_99' was not explained"):
        waterfall(made_up_contributions(), "hip_99")


def test_dependence_draws_missing_values_apart():
    made = made_up_contributions()
    axes = dependence(made, "weight", unit="kg").axes[0]
    points = _points(axes)[-1]
    weight = made.record_table["weight"].to_numpy()
    known = np.isfinite(weight)
    np.testing.assert_allclose(points[known, 0], weight[known])
    np.testing.assert_allclose(points[:, 1], made.record[:, 1])
    assert points[~known, 0].min() > weight[known].max()
    assert axes.get_xlabel() == "weight (kg)" and axes.get_xticklabels()[-1].get_text() == "missing"


def test_dependence_names_categories_in_their_declared_order():
    axes = dependence(made_up_contributions(), "smoking").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["never", "former", "current", "missing"]


def test_dependence_of_values_that_are_all_missing_or_all_the_same():
    table = made_up_contributions().record_table
    for value in (np.nan, 75.0):
        axes = dependence(made_up_contributions(record_table=table.assign(age=value)), "age").axes[0]
        assert len(_points(axes)[-1]) == 30


def test_dependence_of_an_unknown_variable():
    with pytest.raises(RunError, match="'bmi' was asked for"):
        dependence(made_up_contributions(), "bmi")


def test_modality_bars_stack_to_one():
    made = made_up_contributions()
    shares = pd.concat([modality_shares(made), modality_shares(replace(made, model="concat"))])
    axes = modality_bars(shares).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(np.array(widths[:2]) + widths[2:], 1.0)
    assert [label.split("\n")[0] for label in _labels(axes)] == ["xattn", "concat"]
