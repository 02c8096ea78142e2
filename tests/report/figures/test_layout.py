"""Nothing is cut off and no letters are too small, with long names too."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from tests.metrics.tables import made_up_table
from tests.report.figures.drawn import labels, sticking_out
from tests.report.figures.test_curves import FIGURES
from tests.report.figures.test_forests import COMPARISONS, CONFORMAL, SUBGROUPS
from tests.report.figures.test_matrices import CONFUSION
from tests.report.figures.test_points import AGREEMENT, LUNAR
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.report.figures.bland_altman import bland_altman
from xattn_bmd.report.figures.confusion import confusion
from xattn_bmd.report.figures.coverage import coverage
from xattn_bmd.report.figures.fold_plan import fold_plan
from xattn_bmd.report.figures.model_comparison import model_comparison
from xattn_bmd.report.figures.model_metrics import model_metrics
from xattn_bmd.report.figures.scatter import scatter
from xattn_bmd.report.figures.style import WIDTH, sentence
from xattn_bmd.report.figures.subgroup_forest import subgroup_forest
from xattn_bmd.report.flow import flow, flow_figure

LONG = "a_model_with_a_very_long_name_indeed"
TABLE = made_up_table(models=(LONG, "b"), repeats=2)
GRID = prediction_grid(TABLE)

DRAWN = {
    "scatter": lambda: scatter(GRID, model=LONG, reference=LUNAR),
    "bland_altman": lambda: bland_altman(GRID, model=LONG, agreement=AGREEMENT.assign(model=LONG)),
    "fold_plan": lambda: fold_plan(GRID),
    "model_metrics": lambda: model_metrics(metrics_table(TABLE, replicates=20), metric="mse"),
    "model_comparison": lambda: model_comparison(COMPARISONS.assign(model_a=LONG, model_b=LONG)),
    "subgroup_forest": lambda: subgroup_forest(SUBGROUPS, model="xattn", metric="bias"),
    "coverage": lambda: coverage(CONFORMAL.assign(model=LONG)),
    "confusion": lambda: confusion(CONFUSION.assign(model=LONG), model=LONG),
    "sentence": lambda: sentence("A sentence that says at some length why there is nothing that could be drawn here."),
    "flow": lambda: flow_figure(flow({"rows": 123456, "images_without_row": 123, "radiographs": 99999}, TABLE)),
    "flow_alone": lambda: flow_figure(flow({}, TABLE)),
    **{name: lambda name=name: FIGURES[name]([LONG + str(i) for i in range(7)]) for name in FIGURES},
}


def test_long_names_that_differ_at_the_end_stay_different():
    shown = labels(FIGURES["roc"]([LONG + str(i) for i in range(6)]))
    assert len(set(shown)) == 7


@pytest.mark.parametrize("name", DRAWN)
def test_all_letters_are_inside_and_large_enough(name):
    figure = DRAWN[name]()
    assert figure.get_figwidth() == WIDTH
    assert sticking_out(figure) < 0.02
    assert min(one.get_fontsize() for one in figure.findobj(Text) if one.get_text().strip()) >= 9.5


def test_the_check_would_see_a_cut_off_text():
    figure = sentence("short")
    figure.text(0.9, 0.5, "far too long for this place")
    assert sticking_out(figure) > 0.5


def test_rows_of_a_forest_do_not_overlap():
    many = pd.concat([SUBGROUPS.assign(group=SUBGROUPS["group"] + str(i)) for i in range(6)])
    figure = subgroup_forest(many.assign(metric="mae", value=0.1, low=0.0, high=0.2), model="xattn", metric="mae")
    figure.draw_without_rendering()
    beside = figure.axes[0].child_axes[0]
    boxes = sorted((one.get_window_extent() for one in beside.get_yticklabels() if one.get_text()), key=lambda b: b.y0)
    gaps = [above.y0 - below.y1 for below, above in pairwise(boxes)]
    assert np.min(gaps) > -1.0
