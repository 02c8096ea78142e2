import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.made_cohort import made_rows, write_cohort, write_table
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan, make_plan
from xattn_bmd.errors import FoldPlanError


@st.composite
def cohorts(draw):
    """Arguments of make_plan: patients with one to three radiographs, targets with ties, up to three strata."""
    folds = draw(st.integers(2, 6))
    counts = draw(st.lists(st.integers(1, 3), min_size=max(folds, 4), max_size=40))
    patients = [f"P{number}" for number, count in enumerate(counts) for _ in range(count)]
    target = draw(st.lists(st.integers(0, 30), min_size=len(patients), max_size=len(patients)))
    strata = draw(st.lists(st.sampled_from("abc"), min_size=len(counts), max_size=len(counts)))
    return {
        "ids": [f"R{number}" for number in range(len(patients))],
        "patients": patients,
        "target": [0.5 + value / 50 for value in target],
        "strata": [strata[int(patient[1:])] for patient in patients],
        "folds": folds,
        "repeats": draw(st.integers(1, 2)),
        "seed": draw(st.integers(0, 5)),
        "inner_fraction": draw(st.sampled_from([0.1, 0.15, 0.5])),
        "bins": draw(st.sampled_from([None, 1, 4])),
    }


def plan_of(arguments):
    return make_plan(arguments["ids"], **{key: value for key, value in arguments.items() if key != "ids"})


def made_arrays(count=233, *, seed=0):
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, count)
    return {
        "ids": [f"R{number:03d}" for number in range(count)],
        "patients": [f"P{number:03d}" for number in range(count)],
        "target": (np.where(sex == 0, 0.84, 1.0) + 0.13 * rng.normal(size=count)).tolist(),
        "strata": [("female", "male")[value] for value in sex],
    }


@settings(max_examples=60, deadline=None)
@given(cohorts())
def test_parts_cover_everyone_once_and_keep_patients_together(arguments):
    plan = plan_of(arguments)
    patient_of = dict(zip(arguments["ids"], arguments["patients"], strict=True))
    for repeat in range(plan.repeats):
        splits = [plan.split(repeat, fold) for fold in range(plan.folds)]
        assert sorted(name for split in splits for name in split.test) == sorted(arguments["ids"])
        for fold, split in enumerate(splits):
            assert sorted((*split.train, *split.validation, *split.test)) == sorted(arguments["ids"])
            sides = [{patient_of[name] for name in part} for part in (split.train, split.validation, split.test)]
            assert sum(map(len, sides)) == len(set.union(*sides)) and all(sides)
            paper = plan.split(repeat, fold, "paper")
            assert paper.validation == paper.test == split.test
            assert paper.train == tuple(sorted((*split.train, *split.validation)))
    plan.check_leakage(patient_of, {name: name for name in arguments["ids"]})


@settings(max_examples=60, deadline=None)
@given(cohorts())
def test_folds_hold_the_same_number_of_patients(arguments):
    plan = plan_of(arguments)
    patient_of = dict(zip(arguments["ids"], arguments["patients"], strict=True))
    for fold_of in plan.test_folds:
        of_patient = {patient_of[name]: fold for name, fold in fold_of.items()}
        sizes = Counter(of_patient.values()).values()
        assert max(sizes) - min(sizes) <= 1
    inner = {patient_of[name] for name in plan.split(0, 0).validation}
    training = {patient_of[name] for name in plan.split(0, 0, "paper").train}
    wanted = round(arguments["inner_fraction"] * len(training))
    assert len(inner) == min(max(1, wanted), len(training) - 1)


@settings(max_examples=60, deadline=None)
@given(cohorts(), st.randoms())
def test_row_order_does_not_matter_and_the_seed_decides(arguments, order):
    rows = list(range(len(arguments["ids"])))
    order.shuffle(rows)
    shuffled = {
        key: [value[row] for row in rows] if key in ("ids", "patients", "target", "strata") else value
        for key, value in arguments.items()
    }
    assert plan_of(shuffled).hash == plan_of(arguments).hash
    assert plan_of(shuffled).to_dict() == plan_of(arguments).to_dict()


@settings(max_examples=20, deadline=None)
@given(cohorts())
def test_saved_plan_reads_back_the_same(tmp_path_factory, arguments):
    plan, path = plan_of(arguments), tmp_path_factory.mktemp("plan") / "fold_plan.json"
    plan.save(path)
    again = FoldPlan.load(path)
    assert (again.hash, again.to_dict()) == (plan.hash, plan.to_dict())
    assert again.split(0, 1) == plan.split(0, 1)


def test_repeats_and_seeds_differ():
    plan = plan_of({**made_arrays(60), "folds": 5, "repeats": 3})
    assert len({json.dumps(fold_of) for fold_of in plan.test_folds}) == 3
    assert len({plan_of({**made_arrays(60), "seed": seed}).hash for seed in range(4)}) == 4


def test_first_repeat_does_not_depend_on_how_many_follow():
    one, two = (plan_of({**made_arrays(60), "repeats": repeats}) for repeats in (1, 2))
    assert one.test_folds[0] == two.test_folds[0] and one.validation[0] == two.validation[0]


def test_another_process_makes_the_same_plan():
    code = (
        "from tests.data.test_folds import made_arrays, plan_of; print(plan_of({**made_arrays(50), 'repeats': 2}).hash)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert told.stdout.strip() == plan_of({**made_arrays(50), "repeats": 2}).hash


def imbalance(fold, values, folds=10):
    return float(np.std([np.mean(values[fold == number]) for number in range(folds)]))


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_balance_beats_scikit_learn_and_chance_on_target_and_sex():
    from sklearn.model_selection import StratifiedGroupKFold

    ours, theirs, chance, ours_sex, chance_sex = [], [], [], [], []
    for seed in range(8):
        arrays = made_arrays(seed=seed)
        target, male = np.array(arrays["target"]), np.array([name == "male" for name in arrays["strata"]])
        plan = plan_of({**arrays, "seed": seed})
        fold = np.array([plan.test_folds[0][name] for name in arrays["ids"]])
        bins = np.searchsorted(np.quantile(target, [0.2, 0.4, 0.6, 0.8]), target)
        splitter = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
        other = np.empty_like(fold)
        for number, (_, test) in enumerate(splitter.split(target, bins * 2 + male, arrays["patients"])):
            other[test] = number
        shuffled = np.random.default_rng(seed).permutation(fold)
        ours.append(imbalance(fold, target))
        theirs.append(imbalance(other, target))
        chance.append(imbalance(shuffled, target))
        ours_sex.append(imbalance(fold, male))
        chance_sex.append(imbalance(shuffled, male))
        assert set(np.bincount(fold)) == {23, 24}
    assert np.mean(ours) < 0.006 < 0.6 * np.mean(theirs) < np.mean(theirs) < 0.6 * np.mean(chance)
    assert np.mean(ours_sex) < 0.03 < 0.5 * np.mean(chance_sex)


def test_inner_validation_is_stratified_too():
    arrays = made_arrays()
    target = dict(zip(arrays["ids"], arrays["target"], strict=True))
    plan = plan_of(arrays)
    gaps = []
    for fold in range(10):
        split = plan.split(0, fold)
        assert len(split.validation) == round(0.15 * (233 - len(split.test)))
        gaps.append(
            np.mean([target[name] for name in split.validation]) - np.mean([target[name] for name in split.train])
        )
    assert np.std(gaps) < 0.012  # a random part of 31 would give about 0.03


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folds": 25}, "25 folds need 25 or more patients, but there are 24"),
        ({"folds": 1}, "2 or more folds"),
        ({"repeats": 0}, "1 or more repeats"),
        ({"inner_fraction": 0.0}, "inner_fraction"),
        ({"inner_fraction": 0.9}, "inner_fraction"),
        ({"bins": 0}, "bins"),
        ({"target": [float("nan")] + [0.8] * 23}, "R000"),
        ({"ids": ["R001"] * 2 + [f"R{number}" for number in range(22)]}, "R001"),
        ({"patients": ["P"] * 24}, "there are 1"),
    ],
)
def test_plans_that_cannot_be_made(change, words):
    with pytest.raises(FoldPlanError, match=words):
        plan_of({**made_arrays(24), "folds": 3, **change})


def test_too_few_patients_to_hold_some_out():
    with pytest.raises(FoldPlanError, match="2 or more patients"):
        make_plan(["a", "b", "c"], patients=["p", "q", "r"], target=[1, 2, 3], folds=2)


def test_unknown_fold_and_protocol_are_refused_not_invented():
    plan = plan_of({**made_arrays(24), "folds": 3})
    for repeat, fold in ((0, 3), (1, 0), (0, -1)):
        with pytest.raises(FoldPlanError, match="repeats 0-0 and folds 0-2"):
            plan.split(repeat, fold)
    with pytest.raises(FoldPlanError, match="'nested' or 'paper'"):
        plan.split(0, 0, "Nested")  # type: ignore[arg-type]


@pytest.fixture
def cohort(tmp_path):
    return Cohort.from_csv(write_cohort(tmp_path / "cohort", images=False))


def test_plan_of_a_cohort_fits_it(cohort, tmp_path):
    plan = FoldPlan.make(cohort, folds=4, repeats=2, seed=3)
    plan.check_fits(cohort)
    plan.save(tmp_path / "plan.json")
    FoldPlan.load(tmp_path / "plan.json").check_fits(cohort)
    sexes = dict(zip(cohort.radiograph_ids, cohort.table["sex"], strict=True))
    for fold in range(4):
        assert Counter(sexes[name] for name in plan.split(0, fold).test) == {"female": 3, "male": 3}


def test_plan_of_another_cohort_is_refused_with_the_ids_that_differ(cohort):
    plan = FoldPlan.make(cohort, folds=4)
    with pytest.raises(FoldPlanError, match=r"of the plan 1 radiograph\(s\) \(024\)"):
        plan.check_fits(cohort.subset(cohort.radiograph_ids[:-1]))
    smaller = FoldPlan.make(cohort.subset(cohort.radiograph_ids[:-1]), folds=4)
    with pytest.raises(FoldPlanError, match=r"of the cohort 1 radiograph\(s\) \(024\)"):
        smaller.check_fits(cohort)


def test_plan_with_other_patients_is_refused(cohort, tmp_path):
    plan = FoldPlan.make(cohort, folds=4)
    rows = made_rows()
    rows[0]["patient_id"] = "P999"
    write_cohort(tmp_path / "moved", rows, images=False)
    with pytest.raises(FoldPlanError, match="001"):
        plan.check_fits(Cohort.from_csv(tmp_path / "moved" / "cohort.csv"))


def test_fitting_plan_that_splits_a_patient_is_refused(tmp_path):
    rows = made_rows()
    rows[2]["patient_id"] = rows[0]["patient_id"]
    cohort = Cohort.from_csv(write_cohort(tmp_path, rows, images=False))
    content = FoldPlan.make(cohort, folds=4).to_dict()
    fold = content["test_folds"][0]["001"]
    content["test_folds"][0]["003"] = (fold + 1) % 4
    (tmp_path / "plan.json").write_text(json.dumps(content))
    with pytest.raises(FoldPlanError, match="A patient belongs to one part"):
        FoldPlan.load(tmp_path / "plan.json").check_fits(cohort)


PAIRS = [
    ("train", "validation", "training part", "validation part"),
    ("train", "test", "training part", "test part"),
    ("validation", "test", "validation part", "test part"),
]


@pytest.mark.parametrize(("first", "second", "one", "other"), PAIRS)
@pytest.mark.parametrize("shared", ["patient", "picture"])
def test_planted_leaks_are_caught_pairwise(first, second, one, other, shared):
    plan = plan_of({**made_arrays(24), "folds": 3})
    split = plan.split(0, 0)
    marks = {name: name for name in plan.radiograph_ids}
    leaking = {**marks, getattr(split, first)[0]: "same", getattr(split, second)[0]: "same"}
    plan.check_leakage(marks, marks)
    with pytest.raises(FoldPlanError) as caught:
        plan.check_leakage(*((leaking, None) if shared == "patient" else (marks, leaking)))
    text = str(caught.value)
    assert f"A {shared} belongs to one part" in text and "repeat 0, fold " in text
    assert getattr(split, first)[0] in text and getattr(split, second)[0] in text
    if (first, second) == ("train", "validation"):
        assert "fold 0" in text and one in text and other in text


def test_a_leak_only_between_train_and_validation_is_caught():
    """No element is in all three parts, and the two are scored in one fold: a joint or test-only check sees nothing."""
    plan = plan_of({**made_arrays(24), "folds": 3})
    parts = [plan.split(0, fold) for fold in range(3)]
    fold_of = plan.test_folds[0]
    train, held = next(
        (train, held)
        for split in parts
        for held in split.validation
        for train in split.train
        if fold_of[held] == fold_of[train]
    )
    marks = {name: name for name in plan.radiograph_ids} | {train: "same", held: "same"}
    for shared in ("patient", "picture"):
        with pytest.raises(FoldPlanError, match=rf"A {shared} .* the training part .* and the validation part"):
            plan.check_leakage(*((marks, None) if shared == "patient" else (plan.patients, marks)))


def test_a_validation_part_that_reaches_into_the_scored_fold_is_a_leak():
    plan = plan_of({**made_arrays(24), "folds": 3})
    content = plan.to_dict()
    test = plan.split(0, 1).test
    validation = [list(part) for part in content["validation"][0]]
    validation[1].append(test[0])
    edited = FoldPlan(plan.patients, plan.test_folds, (tuple(map(tuple, validation)),))
    with pytest.raises(FoldPlanError, match=r"validation part .* and the test part"):
        edited.check_leakage(plan.patients)


def test_a_radiograph_without_a_picture_hash_is_refused():
    plan = plan_of({**made_arrays(24), "folds": 3})
    with pytest.raises(FoldPlanError, match="must be known"):
        plan.check_leakage(plan.patients, {name: name for name in plan.radiograph_ids[1:]})


def test_edited_file_is_refused_and_a_plan_without_hash_is_the_users_own(tmp_path):
    plan, path = plan_of({**made_arrays(24), "folds": 3}), tmp_path / "plan.json"
    plan.save(path)
    content = json.loads(path.read_text())
    assert next(iter(content)) == "hash" and content["hash"] == plan.hash
    first, second = plan.split(0, 0).test[0], plan.split(0, 1).test[0]
    content["test_folds"][0][first], content["test_folds"][0][second] = 1, 0
    path.write_text(json.dumps(content))
    with pytest.raises(FoldPlanError, match="changed after it was written"):
        FoldPlan.load(path)
    del content["hash"]
    path.write_text(json.dumps(content))
    assert FoldPlan.load(path).hash != plan.hash


@pytest.mark.parametrize("key", ["patients", "test_folds", "validation"])
@pytest.mark.parametrize("value", [None, 3, [], {}, "abc", [[["zz"]]], [{"a": 0.5}], [{"a": True}]])
def test_malformed_json_plans_are_one_clear_error(tmp_path, key, value):
    plan, path = plan_of({**made_arrays(6), "folds": 2}), tmp_path / "plan.json"
    content = {**plan.to_dict(), key: value}
    path.write_text(json.dumps(content))
    with pytest.raises(FoldPlanError):
        FoldPlan.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"patients": {}}'])
def test_files_that_are_no_plan(tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(FoldPlanError):
        FoldPlan.load(path)
    with pytest.raises(FoldPlanError, match="readable file"):
        FoldPlan.load(tmp_path / "absent.json")


def own_rows(cohort, *, repeats=2):
    names = cohort.radiograph_ids
    return [
        {"radiograph_id": name, "repeat": str(repeat), "fold": str((row + repeat * (row // 4)) % 4)}
        for repeat in range(repeats)
        for row, name in enumerate(names)
    ]


def test_own_table_of_folds_is_taken_as_it_is(cohort, tmp_path):
    rows = own_rows(cohort)
    plan = FoldPlan.load(write_table(tmp_path / "plan.csv", rows), cohort=cohort)
    for row in rows:
        assert plan.test_folds[int(row["repeat"])][row["radiograph_id"]] == int(row["fold"])
    plan.check_fits(cohort)
    assert len(plan.split(1, 2).validation) == round(0.15 * 18)
    assert FoldPlan.load(write_table(tmp_path / "again.csv", rows[::-1]), cohort=cohort).hash == plan.hash


def test_own_table_needs_its_cohort(tmp_path, cohort):
    with pytest.raises(FoldPlanError, match=r"cohort=\.\.\."):
        FoldPlan.load(write_table(tmp_path / "plan.csv", own_rows(cohort)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[1:], "001"),
        (lambda rows: [*rows, {**rows[0], "radiograph_id": "zz"}], "zz"),
        (lambda rows: [*rows, rows[0]], "001 occurs twice"),
        (lambda rows: [{**rows[0], "fold": "1.5"}, *rows[1:]], "row 1"),
        (lambda rows: [{**rows[0], "fold": "-1"}, *rows[1:]], "row 1"),
        (lambda rows: [{**rows[0], "fold": ""}, *rows[1:]], "row 1"),
        (lambda rows: [{**rows[0], "fold": "1000000000"}, *rows[1:]], "without gaps"),
        (lambda rows: [{**row, "repeat": "1"} for row in rows], "without gaps"),
        (lambda rows: [{**row, "fold": "0"} for row in rows], "2 or more patients"),
        (lambda rows: [{"radiograph_id": row["radiograph_id"]} for row in rows], "lacks"),
    ],
)
def test_own_tables_that_do_not_fit(cohort, tmp_path, change, words):
    path = write_table(tmp_path / "plan.csv", change(own_rows(cohort, repeats=1)))
    with pytest.raises(FoldPlanError, match=words):
        FoldPlan.load(path, cohort=cohort)


def test_own_table_that_splits_a_patient_is_refused(tmp_path):
    rows = made_rows()
    rows[2]["patient_id"] = rows[0]["patient_id"]
    cohort = Cohort.from_csv(write_cohort(tmp_path, rows, images=False))
    with pytest.raises(FoldPlanError, match="A patient belongs to one part"):
        FoldPlan.load(write_table(tmp_path / "plan.csv", own_rows(cohort, repeats=1)), cohort=cohort)
