"""Figures of curves: calibration, ROC, precision-recall, decision curve."""

import numpy as np
import pandas as pd
import pytest

from tests.report.figures.drawn import horizontal, labels, named_line, text
from xattn_bmd.report.figures.calibration_curve import calibration_curve
from xattn_bmd.report.figures.decision_curve import decision_curve
from xattn_bmd.report.figures.precision_recall import precision_recall
from xattn_bmd.report.figures.roc import roc
from xattn_bmd.report.figures.style import STYLES

MANY = [f"m{i}" for i in range(8)]
X = np.linspace(0.0, 1.0, 5)


def curves(models=("a", "b"), kinds=("roc", "precision_recall"), thresholds=(-1.0, -2.5)):
    parts = [
        pd.DataFrame(
            {"model": m, "threshold": t, "curve": k, "x": X, "y": X**0.5 * (1 + 0.1 * t), "low": X * 0.5, "high": 1}
        )
        for m in models
        for t in thresholds
        for k in kinds
    ]
    return pd.concat(parts, ignore_index=True)


def calibration(models=("a", "b")):
    bins = np.arange(4)
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "bin": bins,
                "predicted": 0.6 + 0.1 * bins,
                "observed": 0.62 + 0.09 * bins,
                "low": 0.58 + 0.09 * bins,
                "high": 0.66 + 0.09 * bins,
                "n": [10, 11, 10, 12],
            }
        )
        for model in models
    ]
    return pd.concat(parts, ignore_index=True)


def benefit(models=("a", "treat_all", "treat_none")):
    at = np.linspace(0.1, 0.5, 5)
    height = {"treat_all": 0.1 - at, "treat_none": 0.0 * at}
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "threshold": -1.0,
                "probability": at,
                "net_benefit": height.get(model, 0.5 - at / 2),
                "low": height.get(model, 0.4 - at / 2),
                "high": height.get(model, 0.6 - at / 2),
                "n": 33,
                "fitted_on": "",
            }
        )
        for model in models
    ]
    return pd.concat(parts, ignore_index=True)


FIGURES = {
    "roc": lambda models: roc(curves(models), threshold=-1.0, models=models),
    "precision_recall": lambda models: precision_recall(curves(models), threshold=-1.0, models=models),
    "calibration_curve": lambda models: calibration_curve(calibration(models), models=models),
    "decision_curve": lambda models: decision_curve(benefit([*models, "treat_all"]), threshold=-1.0, models=models),
}


def test_roc_draws_the_points_of_its_curve_and_threshold():
    table = curves()
    figure = roc(table, threshold=-2.5, models=["a", "b"])
    x, y = named_line(figure.axes[0], "b (95 % band)")
    np.testing.assert_allclose(x, X)
    np.testing.assert_allclose(y, X**0.5 * 0.75)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("1 − specificity", "sensitivity")
    assert "T = −2.5" in text(figure)
    assert labels(figure) == ["a (95 % band)", "b (95 % band)", "chance"]


def test_bands_have_the_ends_of_the_table():
    (band,) = roc(curves(["a"]), threshold=-1.0, models=["a"]).axes[0].collections
    corners = band.get_paths()[0].vertices
    assert {(1.0, 0.5), (1.0, 1.0), (0.0, 0.0)} <= {tuple(corner) for corner in corners.round(9)}


def test_precision_recall_says_prevalence():
    figure = precision_recall(curves(), threshold=-1.0, models=["a"], prevalence=0.56)
    assert horizontal(figure.axes[0]) == [0.56]
    assert figure.axes[0].get_ylabel() == "precision (PPV)"
    assert horizontal(precision_recall(curves(), threshold=-1.0, models=["a"]).axes[0]) == []


def test_calibration_curve_draws_bins_with_intervals():
    figure = calibration_curve(calibration(), models=["b"])
    x, y = named_line(figure.axes[0], "b (95 %)")
    np.testing.assert_allclose(x, [0.6, 0.7, 0.8, 0.9])
    np.testing.assert_allclose(y, [0.62, 0.71, 0.8, 0.89])
    (bars,) = figure.axes[0].collections
    np.testing.assert_allclose(np.array(bars.get_segments())[:, :, 1], y[:, None] + [[-0.04, 0.04]])
    assert "10 to 12 radiographs per point" in text(figure)
    assert "(g/cm²)" in figure.axes[0].get_xlabel() and "(g/cm²)" in figure.axes[0].get_ylabel()


def test_calibration_in_a_single_bin_without_interval():
    table = calibration(["a"]).iloc[:1].assign(low=np.nan, high=np.nan)
    assert "10 radiographs per point" in text(calibration_curve(table, models=["a"]))


def test_decision_curve_shows_both_strategies_and_not_how_bad_they_get():
    figure = decision_curve(benefit(), threshold=-1.0, models=["a"])
    (axes,) = figure.axes
    np.testing.assert_allclose(named_line(axes, "treat all")[1], 0.1 - np.linspace(0.1, 0.5, 5))
    np.testing.assert_allclose(named_line(axes, "treat none")[1], 0.0)
    np.testing.assert_allclose(named_line(axes, "a (95 % band)")[1], 0.5 - np.linspace(0.1, 0.5, 5) / 2)
    low, high = axes.get_ylim()
    assert -0.1 < low < 0.0 and high > 0.55
    assert "33 radiographs, T = −1" in text(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_at_most_six_models_and_a_note_on_the_rest(name):
    figure = FIGURES[name](MANY)
    shown = [label for label in labels(figure) if label[0] == "m"]
    assert [label.split(" ")[0] for label in shown] == MANY[:6]
    assert "6 of 8 models shown" in text(figure)
    assert sum("95 %" in label for label in shown) == 1
    assert "6 of 8" not in text(FIGURES[name](MANY[:6]))


@pytest.mark.parametrize("name", FIGURES)
def test_models_differ_in_line_as_well_as_in_colour(name):
    (axes,) = FIGURES[name](MANY[:6]).axes
    drawn = [line for line in axes.lines if line.get_label().startswith("m")]
    assert len({line.get_color() for line in drawn}) == 6
    assert len({str(line._dash_pattern) for line in drawn}) == 6
    assert len({style.marker for style in STYLES}) == 6


@pytest.mark.parametrize("name", FIGURES)
def test_a_model_without_rows_is_left_out(name):
    everyone = {"roc": roc, "precision_recall": precision_recall, "decision_curve": decision_curve}
    table = {"calibration_curve": calibration, "decision_curve": benefit}.get(name, curves)()
    at = {"threshold": -1.0} if name in everyone else {}
    figure = everyone.get(name, calibration_curve)(table, models=["absent", "a"], **at)
    assert not any("absent" in label for label in labels(figure))
    assert figure.axes[0].lines[0].get_color() == STYLES[0].color


@pytest.mark.parametrize(
    "wreck", [lambda t: t.iloc[:0], lambda t: t.assign(y=np.nan, observed=np.nan, net_benefit=np.nan)]
)
@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_draw_is_a_sentence(name, wreck):
    figures = {
        "roc": lambda: roc(wreck(curves()), threshold=-1.0, models=["a"]),
        "precision_recall": lambda: precision_recall(wreck(curves()), threshold=-1.0, models=["a"]),
        "calibration_curve": lambda: calibration_curve(wreck(calibration()), models=["a"]),
        "decision_curve": lambda: decision_curve(wreck(benefit()), threshold=-1.0, models=["a"]),
    }
    figure = figures[name]()
    assert not figure.axes
    assert text(figure).endswith(".")
