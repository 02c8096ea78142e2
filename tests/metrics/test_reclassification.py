import itertools

import numpy as np
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.classification import who_codes
from xattn_bmd.metrics.intervals import patient_draws
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.reclassification import (
    pooled_reclassification,
    reclassification_counts,
    reclassification_terms,
)

LUNAR = get_reference("lunar_femoral_neck_white_female")
PAIR = {"model_a": "xattn", "model_b": "concat"}


def test_every_combination_of_classes():
    for true, a, b in itertools.product(range(3), repeat=3):
        changed, better, worse = reclassification_terms(np.array(true), np.array(a), np.array(b))
        assert changed == (a != b)
        assert better == (abs(a - true) < abs(b - true))
        assert better + worse <= changed
        assert better == reclassification_terms(np.array(true), np.array(b), np.array(a))[2]  # mirrored
    from_below_to_above = reclassification_terms(np.array(1), np.array(2), np.array(0))
    assert from_below_to_above.tolist() == [1.0, 0.0, 0.0]


def test_pooled_over_repeats_and_in_a_replicate():
    grid = prediction_grid(made_up_table(patients=30, per_patient=2, repeats=3))
    draws = patient_draws(30, replicates=40)
    pooled = pooled_reclassification(grid, **PAIR, draws=draws, reference=LUNAR)
    true = who_codes(grid.target, reference=LUNAR)
    a, b = (who_codes(grid.predictions[model], reference=LUNAR) for model in ("xattn", "concat"))
    closer = np.abs(a - true) < np.abs(b - true)
    assert pooled["better"].value == pytest.approx(closer.mean())
    assert pooled["share_reclassified"].value == pytest.approx((a != b).mean())
    weights = draws.weights[8][grid.patients]
    assert pooled["better"].replicates[7] == pytest.approx(np.average(closer.mean(axis=0), weights=weights))
    net = pooled["better"].value - pooled["worse"].value
    assert pooled["net"].value == pytest.approx(net)


def test_without_two_class_errors_net_is_the_difference_in_accuracy():
    table = made_up_table(patients=60)
    table["target"] += 0.12  # hardly any osteoporosis
    table["prediction"] += 0.12
    grid = prediction_grid(table)
    true, a, b = (
        np.minimum(who_codes(each, reference=LUNAR), 1)
        for each in (grid.target, grid.predictions["xattn"][0], grid.predictions["concat"][0])
    )
    _, better, worse = reclassification_terms(true, a, b).mean(axis=0)
    assert better - worse == pytest.approx((a == true).mean() - (b == true).mean())


def test_counts_add_up():
    grid = prediction_grid(made_up_table(patients=40, repeats=2))
    counts = reclassification_counts(grid, **PAIR, reference=LUNAR)
    assert counts.shape == (3, 3, 3) and counts.sum() == pytest.approx(40)
    true = who_codes(grid.target, reference=LUNAR)
    assert counts.sum(axis=(1, 2)).tolist() == np.bincount(true, minlength=3).tolist()
    by_a = np.bincount(who_codes(grid.predictions["xattn"], reference=LUNAR).ravel(), minlength=3) / 2
    assert counts.sum(axis=(0, 2)).tolist() == by_a.tolist()
    a, b = (who_codes(grid.predictions[model], reference=LUNAR) for model in ("xattn", "concat"))
    assert counts[0, 0, 1] == ((true == 0) & (a == 0) & (b == 1)).sum() / 2
