"""Average precision against COCO's own code, and by hand."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from xattn_bmd.metrics.detection import RECALLS, THRESHOLDS, average_precision, box_overlap, match_boxes


def drawn_boxes(rng, *, pictures, most):
    """Return (picture, x0, y0, x1, y1) rows; many overlap."""
    rows = []
    for picture in range(pictures):
        low = rng.integers(0, 40, size=(rng.integers(0, most + 1), 2)).astype(float)
        rows += [[picture, *corner, *(corner + rng.integers(5, 20, size=2))] for corner in low]
    return np.array(rows, dtype=float).reshape(-1, 5)


def coco_precision(truth, found, scores, *, pictures):
    """Return the (10,) average precisions that pycocotools gives."""
    coco = COCO()
    box = [[*row[1:3], *(row[3:] - row[1:3])] for row in truth]
    coco.dataset = {
        "images": [{"id": name + 1} for name in range(pictures)],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": row + 1, "image_id": int(truth[row, 0]) + 1, "category_id": 1, "bbox": b, "area": b[2] * b[3]}
            | {"iscrowd": 0}
            for row, b in enumerate(box)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        answers = coco.loadRes(
            [
                {"image_id": int(row[0]) + 1, "category_id": 1, "score": float(score)}
                | {"bbox": [*row[1:3], *(row[3:] - row[1:3])]}
                for row, score in zip(found, scores, strict=True)
            ]
        )
        judge = COCOeval(coco, answers, "bbox")
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, 0, 0, 2].mean(axis=1)


def our_precision(truth, found, scores, *, pictures):
    hits, order = [], []
    for picture in range(pictures):
        rows = np.flatnonzero(found[:, 0] == picture)
        rows = rows[np.argsort(-scores[rows], kind="stable")][:100]
        hits.append(match_boxes(found[rows, 1:], truth[truth[:, 0] == picture, 1:]))
        order.append(scores[rows])
    order = np.argsort(-np.concatenate(order), kind="stable")
    hits = np.concatenate(hits, axis=1)[:, order]
    ones = np.ones((1, hits.shape[1]))
    return np.array([average_precision(hit, weights=ones, truth=np.array([float(len(truth))]))[0] for hit in hits])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), ties=st.booleans())
def test_agrees_with_coco(seed, ties):
    rng = np.random.default_rng(seed)
    truth = drawn_boxes(rng, pictures=4, most=5)
    found = np.concatenate([drawn_boxes(rng, pictures=4, most=6), truth[rng.random(len(truth)) < 0.7]])
    found[len(found) // 2 :, 3:] += rng.integers(0, 3, size=found[len(found) // 2 :, 3:].shape)
    if not len(truth) or not len(found):
        return
    scores = rng.integers(1, 5, len(found)) / 5 if ties else rng.random(len(found))
    ours = our_precision(truth, found, scores, pictures=4)
    np.testing.assert_allclose(ours, coco_precision(truth, found, scores, pictures=4), atol=1e-12)


def test_more_than_a_hundred_detections_are_cut_as_coco_cuts_them():
    rng = np.random.default_rng(0)
    truth = np.array([[0.0, 5, 5, 15, 15]])
    found = np.concatenate([np.tile([[0.0, 20, 20, 30, 30]], (100, 1)), truth])
    scores = np.concatenate([0.5 + 0.5 * rng.random(100), [0.1]])
    assert our_precision(truth, found, scores, pictures=1).max() == 0
    assert coco_precision(truth, found, scores, pictures=1).max() == 0


def test_by_hand():
    """Hit, miss, hit of three true boxes: precision 1 up to recall 1/3, 2/3 up to 2/3, then 0."""
    hits = np.array([True, False, True])
    got = average_precision(hits, weights=np.ones((1, 3)), truth=np.array([3.0]))
    assert got[0] == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)
    assert len(RECALLS) == 101 and len(THRESHOLDS) == 10


def test_a_patient_counted_twice_is_a_patient_given_twice():
    rng = np.random.default_rng(1)
    hits = rng.random(12) < 0.6
    weights = rng.integers(0, 3, size=12)
    repeated = np.repeat(hits, weights)
    once = average_precision(hits, weights=weights[None].astype(float), truth=np.array([11.0]))
    each = average_precision(repeated, weights=np.ones((1, len(repeated))), truth=np.array([11.0]))
    # within a run of one patient's copies hits and misses do not mix, so only the curve's inner points differ
    assert once[0] == pytest.approx(each[0], abs=0.02)


def test_without_truth_there_is_no_precision():
    assert np.isnan(average_precision(np.array([True]), weights=np.ones((1, 1)), truth=np.zeros(1)))[0]


def test_a_true_box_is_hit_once():
    box = np.array([[0.0, 0, 10, 10]])
    assert match_boxes(np.repeat(box, 3, axis=0), box).sum(axis=1).tolist() == [1] * 10


def test_overlap_of_apart_same_and_half_boxes():
    boxes = np.array([[0.0, 0, 4, 4], [4, 4, 8, 8], [0, 0, 4, 2]])
    np.testing.assert_allclose(box_overlap(boxes, boxes)[0], [1, 0, 0.5])
