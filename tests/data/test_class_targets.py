"""A class as the target of a cohort: its roles, its places, its faults, and folds that share every class."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cohorts import CLASS_ROLES, CLASSES, ROLES
from xattn_bmd import Cohort, FoldPlan
from xattn_bmd.data.folds import make_plan
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.target_roles import TAKEN_NAMES, ClassRole
from xattn_bmd.errors import CohortError, ConfigError, FoldPlanError
from xattn_bmd.metrics.confusion import ALL, MACRO

COUNTS = (31, 13, 9)


def made(named, patients=None, **target):
    """A cohort without pictures; one patient each unless told."""
    number = len(named)
    table = pd.DataFrame(
        {
            "scan": [f"r{row:03d}" for row in range(number)],
            "person": patients or [f"p{row:03d}" for row in range(number)],
            "age": np.linspace(60, 80, number),
            "fracture": named,
        }
    )
    roles = {"id": "scan", "patient": "person", "numeric": ["age"]}
    declared = {"column": "fracture", "classes": list(CLASSES)} | target
    return Cohort.from_table(table, roles=CohortRoles.from_dict(roles | {"target": declared}))


def dealt(counts=COUNTS):
    return [name for name, count in zip(CLASSES, counts, strict=True) for _ in range(count)]


def test_yaml_with_classes_is_read_and_written(tmp_path):
    path = tmp_path / "cohort.yaml"
    path.write_text("id: a\npatient: b\ntarget: {column: fracture, classes: [normal, old, fresh], ordered: true}\n")
    roles = CohortRoles.from_yaml(path)
    assert roles.target == ClassRole(column="fracture", classes=CLASSES, ordered=True)
    assert CohortRoles.from_dict(roles.to_dict()) == roles
    assert roles.classes == CLASSES and CohortRoles.from_dict(ROLES).classes == ()


def test_names_of_averages_are_no_classes():
    assert set(TAKEN_NAMES) == {ALL, MACRO}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"classes": ["a", "b"], "unit": "g/cm2"}, "neither unit nor range"),
        ({"classes": ["a", "b"], "range": [0, 1]}, "neither unit nor range"),
        ({"classes": ["a"]}, "two or more different"),
        ({"classes": ["a", "a"]}, "two or more different"),
        ({"classes": ["a", "all"]}, "none called all"),
        ({"ordered": "true"}, "two or more different"),
        ({"classes": ["a", "b"], "order": "yes"}, "order"),
    ],
)
def test_a_wrong_declaration_is_refused(target, words):
    with pytest.raises(ConfigError, match=words):
        CohortRoles.from_dict({"id": "a", "patient": "b", "target": {"column": "c", **target}})


def test_a_reference_population_has_no_meaning_for_classes():
    with pytest.raises(ConfigError, match="T-score"):
        CohortRoles.from_dict(CLASS_ROLES | {"reference": "lunar_femoral_neck_white_female"})


def test_targets_are_the_places_of_the_classes():
    cohort = made(["fresh", "normal", "old", None, "Old"])
    np.testing.assert_array_equal(cohort.targets, [2, 0, 1, np.nan, np.nan])


def test_every_fault_of_classes_is_in_the_one_list():
    found = {
        problem.kind: problem for problem in made(["old", "Normal", "frehs", None], classes=[*CLASSES, "rib"]).check()
    }
    assert {"unknown_class", "missing_target", "empty_class"} <= set(found)
    assert found["missing_target"].radiographs == ("r003",)
    messages = [problem.message for problem in made(["Normal", "frehs", "x9"]).check(require_images=False)]
    assert any("'Normal' was found in r000; did you mean 'normal'?" in text for text in messages)
    assert any("'frehs' was found in r001; did you mean 'fresh'?" in text for text in messages)
    assert any("'x9' was found in r002; mend it, declare it" in text for text in messages)
    with pytest.raises(CohortError, match=r"(?s)1\. .*2\. .*3\. "):
        made(["Normal", "frehs", None]).require_valid(require_images=False)


def test_prediction_reads_no_class_and_evaluation_may_lack_one():
    kinds = {problem.kind for problem in made(["normal", None, "old"]).check(require_target=False)}
    assert not {"missing_target", "empty_class"} & kinds
    assert "empty_class" not in {one.kind for one in made(["normal", "old"]).check(require_variation=False)}


@pytest.mark.parametrize("folds", [2, 5])
def test_every_fold_has_its_share_of_every_class(folds):
    cohort = made(dealt())
    plan = FoldPlan.make(cohort, folds=folds, seed=3)
    for code, count in enumerate(COUNTS):
        names = {name for name, place in zip(cohort.radiograph_ids, cohort.targets, strict=True) if place == code}
        found = [len(names & set(plan.split(0, fold).test)) for fold in range(folds)]
        assert max(found) - min(found) <= 1 and sum(found) == count


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_crops_of_a_patient_stay_together_and_folds_share_the_classes(seed, folds):
    generator = np.random.default_rng(seed)
    patients = [f"p{number:02d}" for number in generator.integers(0, 24, size=90)]
    codes = generator.choice(3, size=90, p=[0.6, 0.25, 0.15])
    ids = [f"r{row:02d}" for row in range(90)]
    plan = make_plan(ids, patients=patients, target=codes.tolist(), classes=3, folds=folds, seed=seed)
    plan.check_leakage(dict(zip(ids, patients, strict=True)))
    fold = np.array([plan.test_folds[0][name] for name in ids])
    shares = np.array([[np.mean(codes[fold == one] == code) for code in range(3)] for one in range(folds)])
    assert np.ptp(shares, axis=0).max() < 0.35


def test_folds_of_several_crops_share_classes_better_than_by_their_mean_place():
    spread = {classes: [] for classes in (0, 3)}
    for seed in range(20):
        generator = np.random.default_rng(seed)
        patients = [f"p{number:02d}" for number in generator.integers(0, 40, size=120)]
        codes, ids = generator.choice(3, size=120, p=[0.6, 0.2, 0.2]), [f"r{row:03d}" for row in range(120)]
        for classes, found in spread.items():
            plan = make_plan(ids, patients=patients, target=codes.tolist(), classes=classes, folds=5, seed=seed)
            fold = np.array([plan.test_folds[0][name] for name in ids])
            found.append(np.mean([np.std([np.mean(codes[fold == f] == c) for f in range(5)]) for c in range(3)]))
    assert np.mean(spread[3]) < 0.9 * np.mean(spread[0])


def test_a_planted_leak_of_a_patient_is_refused():
    patients = [f"p{row // 3:02d}" for row in range(24)]
    cohort = made(list(np.resize(CLASSES, 24)), patients)
    plan = FoldPlan.make(cohort, folds=4, seed=0)
    plan.check_fits(cohort)
    moved = dict(plan.test_folds[0])
    moved["r000"] = (moved["r000"] + 1) % 4
    with pytest.raises(FoldPlanError, match="patient"):
        replace(plan, test_folds=(moved,)).check_fits(cohort)


def test_the_plan_of_a_density_is_what_it_was():
    generator = np.random.default_rng(5)
    target, patients = generator.normal(size=40).tolist(), [f"p{row % 31}" for row in range(40)]
    plan = make_plan([f"r{row}" for row in range(40)], patients=patients, target=target, folds=4, seed=2)
    assert plan.hash == "a3043df20f670e656156153365dfd096699f45d482b651dcd3af89eb6ddbc362"
