"""Figures of the predictions themselves: scatter, Bland-Altman, fold plan."""

import numpy as np
import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from tests.report.figures.drawn import horizontal, labels, named_line, text, texts, vertical
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.report.figures.bland_altman import bland_altman
from xattn_bmd.report.figures.fold_plan import fold_plan
from xattn_bmd.report.figures.scatter import scatter
from xattn_bmd.report.figures.style import RASTER_FROM

LUNAR = get_reference("lunar_femoral_neck_white_female")
AGREEMENT = pd.DataFrame(
    {
        "model": "xattn",
        "metric": ["bias", "loa_low", "loa_high", "proportional_slope"],
        "value": [-0.02, -0.2, 0.16, -0.5],
        "low": [-0.03, -0.25, 0.1, -0.6],
        "high": [-0.01, -0.15, 0.2, -0.4],
        "p": [np.nan, np.nan, np.nan, 0.0004],
    }
)


def points(axes):
    (drawn,) = axes.collections
    return np.asarray(drawn.get_offsets())


def test_scatter_has_a_point_per_radiograph_where_it_belongs():
    grid = prediction_grid(made_up_table(patients=20, per_patient=2))
    figure = scatter(grid, model="xattn", reference=LUNAR)
    (axes,) = figure.axes
    np.testing.assert_allclose(points(axes), np.column_stack([grid.target, grid.predictions["xattn"][0]]))
    x, y = named_line(axes, "predicted = measured")
    np.testing.assert_allclose(x, y)
    assert axes.get_xlim() == axes.get_ylim()
    assert "xattn: 40 radiographs, 20 patients" in text(figure)
    assert axes.get_xlabel() == "measured density (g/cm²)" and axes.get_ylabel() == "predicted density (g/cm²)"


def test_scatter_draws_the_edges_of_the_classes_and_t_scores():
    figure = scatter(prediction_grid(made_up_table()), model="concat", reference=LUNAR)
    (axes,) = figure.axes
    np.testing.assert_allclose(sorted(vertical(axes)), [0.6907, 0.899], atol=5e-4)
    np.testing.assert_allclose(sorted(horizontal(axes)), [0.6907, 0.899], atol=5e-4)
    figure.draw_without_rendering()
    above = next(child for child in axes.child_axes if child.get_xlabel() == "measured T-score")
    np.testing.assert_allclose(above.get_xlim(), [(end - LUNAR.mean) / LUNAR.sd for end in axes.get_xlim()])


def test_thousands_of_points_are_a_picture():
    few, many = (prediction_grid(made_up_table(patients=n, models=("m",))) for n in (50, RASTER_FROM + 1))
    flags = [scatter(grid, model="m", reference=LUNAR).axes[0].collections[0].get_rasterized() for grid in (few, many)]
    assert flags == [False, True]


@pytest.mark.parametrize("draw", ["scatter", "bland_altman", "fold_plan"])
def test_of_several_repeats_the_first_is_drawn_and_named(draw):
    grid = prediction_grid(made_up_table(repeats=3))
    figures = {
        "scatter": lambda: scatter(grid, model="xattn", reference=LUNAR),
        "bland_altman": lambda: bland_altman(grid, model="xattn", agreement=AGREEMENT),
        "fold_plan": lambda: fold_plan(grid),
    }
    figure = figures[draw]()
    assert "the first of 3 repeats" in text(figure)
    if draw == "scatter":
        np.testing.assert_allclose(points(figure.axes[0])[:, 1], grid.predictions["xattn"][0])


def test_bland_altman_draws_the_lines_at_their_values():
    grid = prediction_grid(made_up_table())
    figure = bland_altman(grid, model="xattn", agreement=AGREEMENT)
    (axes,) = figure.axes
    assert sorted(horizontal(axes)) == [-0.2, -0.02, 0.0, 0.16]
    difference = grid.predictions["xattn"][0] - grid.target
    np.testing.assert_allclose(points(axes)[:, 1], difference)
    np.testing.assert_allclose(points(axes)[:, 0], grid.target + difference / 2)
    shaded = sorted((patch.get_y(), patch.get_y() + patch.get_height()) for patch in axes.patches)
    np.testing.assert_allclose(shaded, [(-0.25, -0.15), (-0.03, -0.01), (0.1, 0.2)])
    low, high = axes.get_ylim()
    assert low < min(-0.25, difference.min()) and high > max(0.2, difference.max())
    assert {"upper limit +0.160", "bias −0.020", "lower limit −0.200"} <= set(texts(figure))


def test_bland_altman_draws_the_slope_through_the_means():
    grid = prediction_grid(made_up_table())
    figure = bland_altman(grid, model="xattn", agreement=AGREEMENT)
    assert labels(figure) == ["slope −0.50 (p < 0.001)"]
    x, y = named_line(figure.axes[0], "slope −0.50 (p < 0.001)")
    assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(-0.5)
    middle = points(figure.axes[0]).mean(axis=0)
    assert np.interp(middle[0], x, y) == pytest.approx(middle[1])


@pytest.mark.parametrize("agreement", [AGREEMENT.iloc[:0], AGREEMENT.assign(value=np.nan), AGREEMENT.assign(model="b")])
def test_bland_altman_without_limits_shows_the_points_alone(agreement):
    figure = bland_altman(prediction_grid(made_up_table()), model="xattn", agreement=agreement)
    assert horizontal(figure.axes[0]) == [0.0]
    assert len(points(figure.axes[0])) == 40


def test_bland_altman_without_intervals_has_lines_and_no_shading():
    figure = bland_altman(
        prediction_grid(made_up_table()), model="xattn", agreement=AGREEMENT.assign(low=np.nan, high=np.nan)
    )
    assert len(horizontal(figure.axes[0])) == 4
    assert not figure.axes[0].patches


def test_fold_plan_counts_radiographs_and_patients_of_each_fold():
    table = made_up_table(patients=23, per_patient=2, folds=4)
    figure = fold_plan(prediction_grid(table))
    above, below = figure.axes
    rows = table[table["model"] == "xattn"].groupby("fold")
    radiographs, patients = above.containers
    assert [bar.get_height() for bar in radiographs] == rows["radiograph_id"].nunique().tolist()
    assert [bar.get_height() for bar in patients] == rows["patient_id"].nunique().tolist()
    np.testing.assert_allclose(named_line(below, "_nolegend_")[1], rows["target"].mean())
    np.testing.assert_allclose(horizontal(below), [table["target"].mean()])
    assert "density (g/cm²), mean and SD" in text(figure)
    assert "46 radiographs, 23 patients" in text(figure)


def test_fold_plan_of_a_fold_with_one_radiograph():
    assert "3 radiographs, 3 patients" in text(fold_plan(prediction_grid(made_up_table(patients=3, folds=3))))


def test_dollar_signs_in_a_name_are_letters():
    figure = scatter(prediction_grid(made_up_table(models=("$a$_b$",))), model="$a$_b$", reference=LUNAR)
    assert "$a$_b$: 40" in text(figure)
    figure.draw_without_rendering()
