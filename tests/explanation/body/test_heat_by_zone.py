"""Classes compared by zone: what is planted is found, what is not is not, and patients are drawn whole."""

from dataclasses import replace

import numpy as np
import pytest

from tests.explanation.body.bodies import many
from xattn_bmd import heat_by_zone
from xattn_bmd.errors import MetricError
from xattn_bmd.explanation.body.compare import TEST_COLUMNS, ZONE_COLUMNS, Labelled, Zoned, dealt_classes
from xattn_bmd.explanation.body.zones import ZONES, zone_edges
from xattn_bmd.metrics.intervals import patient_bootstrap
from xattn_bmd.metrics.paired.holm import holm
from xattn_bmd.report.figures.body_heat import body_heat

NAMES = ("normal", "old", "fresh")


def _found(*, controls=None, replicates=400, **settings):
    heat, points, classes, patients = many(**settings)
    return heat_by_zone(
        heat, points=points, classes=classes, patients=patients, names=NAMES, controls=controls, replicates=replicates
    )


def test_a_planted_difference_is_found_where_it_is_and_not_in_the_controls():
    heat, *_ = many(effect=1.0, between=0.3)
    found = _found(effect=1.0, between=0.3, controls={"random_weights": many(seed=9)[0]})
    table, tests = found.table(), found.tests()
    assert tuple(table.columns) == (*ZONE_COLUMNS, "simulated") and tuple(tests.columns) == (*TEST_COLUMNS, "simulated")
    assert list(table["heat_of"].unique()) == ["trained", "random_weights", "permuted_labels"]
    assert len(table) == 3 * 3 * len(ZONES) and len(tests) == 3 * 3 * len(ZONES)
    of = tests.set_index(["heat_of", "zone", "class_a", "class_b"])
    planted = of.loc[("trained", "upper endplate", "normal", "fresh")]
    assert planted["difference"] < 0 and planted["high"] < 0 and planted["p_holm"] < 0.2
    assert planted["p"] == pytest.approx(2 / 401)
    for control in ("random_weights", "permuted_labels"):
        assert (of.loc[control]["p_holm"].dropna() > 0.05).all()
    values = table.set_index(["heat_of", "class", "zone"])["value"]
    assert values["trained", "fresh", "upper endplate"] > values["trained", "old", "upper endplate"]
    assert found.maps["trained"]["fresh"].shape == (60, 60) and set(found.maps) == {"trained", "random_weights"}
    assert found.maps["trained"]["fresh"][12, 30] > found.maps["trained"]["normal"][12, 30] > 1
    assert len(heat) == 80


def test_values_are_means_of_the_crops_and_adjusted_by_holm_within_one_heat():
    found = _found(effect=0.5)
    heat, points, classes, patients = many(effect=0.5)
    inside = np.array(classes) == "old"
    values = found.zones["trained"].values
    rows = found.table().query("heat_of == 'trained' and `class` == 'old'").set_index("zone")
    np.testing.assert_allclose(rows["value"], values[inside].mean(axis=0))
    assert (rows["n"] == inside.sum()).all()
    assert (rows["patients"] == len({p for p, c in zip(patients, classes, strict=True) if c == "old"})).all()
    for _, part in found.tests().groupby("heat_of"):
        np.testing.assert_allclose(part["p_holm"], holm(part["p"]))
    assert (rows["low"] < rows["value"]).all() and (rows["value"] < rows["high"]).all()
    assert len(points) == len(heat)


def test_the_interval_is_that_of_patients_and_not_of_crops():
    heat, points, classes, patients = many(patients=12, each=10, between=0.8, seed=3)
    shared = {"points": points, "classes": classes, "names": NAMES, "replicates": 600}
    by_patient = heat_by_zone(heat, patients=patients, **shared)
    by_crop = heat_by_zone(heat, patients=[f"c{row}" for row in range(len(heat))], **shared)
    row = "heat_of == 'trained' and `class` == 'normal' and zone == 'upper endplate'"
    wide, narrow = (one.table().query(row).iloc[0] for one in (by_patient, by_crop))
    assert wide["value"] == narrow["value"] and (wide["patients"], narrow["patients"]) == (12, 60)
    assert wide["high"] - wide["low"] > 1.7 * (narrow["high"] - narrow["low"])
    values = np.where(np.array(classes) == "normal", by_patient.zones["trained"].values[:, 3], 0.0)
    counts = patient_bootstrap(patients, seed=0, replicates=600)  # an independent computation
    means = (counts @ values) / (counts @ (np.array(classes) == "normal"))
    expected = np.quantile(means, [0.025, 0.975])
    np.testing.assert_allclose([wide["percentile_low"], wide["percentile_high"]], expected, rtol=1e-9)


def test_a_difference_is_drawn_with_the_same_patients_for_both_classes():
    heat, points, classes, patients = many(patients=16, each=6, effect=0.4, between=1.0, seed=2)
    found = heat_by_zone(heat, points=points, classes=classes, patients=patients, names=NAMES, replicates=300)
    values, of = found.zones["trained"].values[:, 3], np.array(classes)
    counts = patient_bootstrap(patients, seed=0, replicates=300).astype(float)
    means = {name: (counts * (of == name)) @ values / (counts @ (of == name)) for name in ("normal", "fresh")}
    row = found.tests().query("heat_of == 'trained' and zone == 'upper endplate'")
    row = row.set_index(["class_a", "class_b"]).loc[("normal", "fresh")]
    assert row["difference"] == pytest.approx(values[of == "normal"].mean() - values[of == "fresh"].mean())
    expected = np.quantile(means["normal"] - means["fresh"], [0.025, 0.975])
    np.testing.assert_allclose([row["low"], row["high"]], expected, rtol=1e-9)


def test_p_values_of_dealt_classes_are_spread_over_0_to_1():
    heat, points, classes, patients = many(patients=40, each=4, effect=1.0, between=0.5)
    found = heat_by_zone(heat, points=points, classes=classes, patients=patients, names=NAMES, replicates=50)
    values, p = found.zones["trained"].values, []
    for number in range(60):
        dealt = dealt_classes(classes, patients, generator=np.random.default_rng(number))
        zoned = Zoned(Labelled(values, dealt), patients=patients, names=NAMES, seed=number, replicates=200)
        tests = zoned.tests("dealt").set_index(["zone", "class_a", "class_b"])
        p.append(tests.loc[("upper endplate", "old", "fresh"), "p"])
    assert 0.3 < np.mean(p) < 0.7 and np.mean(np.array(p) < 0.05) < 0.2 and np.max(p) > 0.8


def test_dealing_keeps_the_number_of_each_class_and_the_lists_of_patients():
    *_, classes, patients = many(patients=10, each=4)
    shuffled = np.random.default_rng(1).permutation(len(classes))
    classes, patients = np.array(classes)[shuffled], np.array(patients)[shuffled]
    dealt = dealt_classes(classes.tolist(), patients.tolist(), generator=np.random.default_rng(0))
    assert sorted(dealt) == sorted(classes)
    lists = [sorted(" ".join(each[patients == who]) for who in set(patients)) for each in (classes, dealt)]
    assert lists[0] == lists[1]
    moved = [who for who in set(patients) if list(classes[patients == who]) != list(dealt[patients == who])]
    assert len(moved) > 3


def test_the_same_seed_gives_the_same_result():
    first, again, other = (_found(replicates=60).tests(), _found(replicates=60).tests(), None)
    assert first.equals(again)
    heat, points, classes, patients = many()
    other = heat_by_zone(heat, points=points, classes=classes, patients=patients, names=NAMES, replicates=60, seed=1)
    assert not first.equals(other.tests())


def test_a_crop_without_heat_is_left_out_and_a_single_patient_has_no_interval():
    heat, points, classes, patients = many(patients=5)
    heat[0] = -1.0
    found = heat_by_zone(heat, points=points, classes=classes, patients=patients, replicates=50)
    row = found.table().query("heat_of == 'trained' and zone == 'centre'").set_index("class")
    assert row["n"].sum() == len(heat) - 1
    alone = heat_by_zone(heat[:4], points=points[:4], classes=["a", "b", "a", "b"], patients=["p"] * 4)
    assert alone.table()["low"].isna().all() and "single patient" in alone.table()["reason"].iloc[0]
    assert alone.tests()["p"].isna().all()


def test_the_figure_is_a_png_that_says_what_is_simulated(tmp_path):
    found = replace(_found(replicates=20, controls={"random_weights": many(seed=4)[0]}), simulated=True)
    path = found.figure(tmp_path / "zones.png")
    assert path.read_bytes()[:4] == b"\x89PNG" and (tmp_path / "zones.svg").is_file()
    assert found.table()["simulated"].all() and found.tests()["simulated"].all()
    titles = [body_heat(found.maps, edges=zone_edges(), margin=0.25, simulated=one).get_suptitle() for one in (0, 1)]
    assert "simulated" not in titles[0] and titles[1].startswith("simulated radiographs")
    with pytest.raises(MetricError, match=r"NAME.png, but zones.pdf"):
        found.figure(tmp_path / "zones.pdf")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ["old"] * 8}, "two classes or more, but"),
        ({"classes": ["old", "fresh"]}, "'classes': 2"),
        ({"patients": ["a"]}, "'patients': 1"),
        ({"names": ["old", "new"]}, "names orders"),
        ({"controls": {"random_weights": np.ones((3, 60, 60), np.float32)}}, "'random_weights': 3"),
        ({"controls": {"permuted_labels": np.ones((8, 60, 60), np.float32)}}, "made here"),
        ({"points": np.zeros((8, 4, 2))}, "8 crop"),
        ({"points": np.zeros((7, 4, 2))}, "7 set"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(changes, words):
    heat, points, *_ = many(patients=2)
    given = {"points": points, "classes": ["old", "fresh"] * 4, "patients": list("aabbccdd")}
    with pytest.raises(MetricError, match=words):
        heat_by_zone(heat, **(given | changes))
