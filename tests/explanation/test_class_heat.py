"""Heat of a class: whose map it is, which fold model made it, and what controls it stands beside."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.cohorts import CLASSES, write_class_cohort
from tests.training.settings import tiny
from xattn_bmd import Cohort, Predictor, class_heat, compare, heat_by_zone
from xattn_bmd.errors import ConfigError, ModelError, RunError
from xattn_bmd.explanation.heat.grad_cam import grad_cam
from xattn_bmd.explanation.heat.seen import OfClass, Seen
from xattn_bmd.metrics.class_checks import probability_columns


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of classes and its cohort; read-only."""
    root = tmp_path_factory.mktemp("class_heat")
    cohort = Cohort.from_csv(write_class_cohort(root / "home"))
    config = tiny(models=("image_only", "ridge"), folds=2)
    return compare(cohort, out=root / "RUN", config=config, progress=False), cohort


@pytest.fixture(scope="module")
def heat(made):
    """Heat of the predicted classes; read-only."""
    return class_heat(made[0], made[1])


def test_probabilities_are_those_of_the_folds_that_did_not_see_the_patient(made, heat):
    run, _ = made
    own = run.predictions[run.predictions["model"] == "image_only"].set_index("radiograph_id")
    stored = own.loc[list(heat.radiograph_ids), probability_columns(CLASSES)]
    np.testing.assert_allclose(heat.probabilities, stored, atol=1e-5)
    assert list(heat.classes) == own.loc[list(heat.radiograph_ids), "prediction"].tolist()


def test_a_map_is_that_of_its_class_by_its_fold_model(made, heat):
    run, cohort = made
    predictor = Predictor.from_run(run, "image_only")
    own = run.predictions[run.predictions["model"] == "image_only"].set_index("radiograph_id")
    given = predictor.estimators
    from xattn_bmd.explanation.fold_models import Explained
    from xattn_bmd.explanation.opened import OpenedCohort

    opened = OpenedCohort.open(Explained.open(run, of="classes"), cohort)
    for row in (0, 3, len(cohort) - 1):
        fold = int(own.loc[heat.radiograph_ids[row], "fold"])
        network = given[fold].build()
        rows = np.array([row])
        seen = Seen(opened.image(rows), opened.variables(rows, fold))
        expected = grad_cam(network, seen, target=OfClass(list(CLASSES).index(heat.classes[row])))
        np.testing.assert_allclose(heat.maps[row], expected[0].numpy(), atol=1e-6)


def test_one_class_for_all(made, heat):
    one = class_heat(*made, of=CLASSES[1], controls=())
    assert set(one.classes) == {CLASSES[1]} and one.control_maps == {}
    same = np.array(heat.classes) == CLASSES[1]
    np.testing.assert_allclose(one.maps[same], heat.maps[same], atol=1e-6)
    np.testing.assert_array_equal(one.probabilities, heat.probabilities)


def test_a_part_of_the_cohort_has_the_same_maps(made, heat):
    run, cohort = made
    some = cohort.subset(cohort.radiograph_ids[5:12])
    part = class_heat(run, some)
    np.testing.assert_allclose(part.maps, heat.maps[5:12], atol=1e-6)
    np.testing.assert_allclose(
        part.control_maps["random_weights"], heat.control_maps["random_weights"][5:12], atol=1e-6
    )


def test_random_weights_are_others_and_follow_the_seed(made, heat):
    again, other = class_heat(*made), class_heat(*made, seed=1)
    random = heat.control_maps["random_weights"]
    assert not np.allclose(random, heat.maps)
    np.testing.assert_array_equal(again.control_maps["random_weights"], random)
    assert not np.allclose(other.control_maps["random_weights"], random)
    np.testing.assert_array_equal(other.maps, heat.maps)


def test_heat_by_zone_takes_it(made, heat):
    _, cohort = made
    corners = np.array([[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]])
    names = np.array(CLASSES)[np.arange(len(cohort)) % len(CLASSES)]
    found = heat_by_zone(
        heat.maps,
        points=np.tile(corners * 64, (len(cohort), 1, 1)),
        picture=(64, 64),
        classes=names,
        patients=cohort.patient_ids,
        controls=heat.control_maps,
        sign="absolute",
        replicates=50,
    )
    assert {"trained", "random_weights"} <= set(found.table()["heat_of"])


@pytest.mark.parametrize(
    ("asked", "error", "match"),
    [
        ({"of": "acute"}, ConfigError, "'acute' was given"),
        ({"controls": ("random_labels",)}, ConfigError, "'random_labels' was given"),
        ({"method": "cam"}, ModelError, "'cam'"),
        ({"model": "ridge"}, ModelError, "reads the record alone"),
    ],
)
def test_what_cannot_be_explained_is_refused(made, asked, error, match):
    with pytest.raises(error, match=match):
        class_heat(*made, **asked)


def test_a_model_of_density_is_refused(made, explained_run):
    run, cohort, _ = explained_run
    with pytest.raises(RunError, match="predicts a density"):
        class_heat(run, cohort)


def test_a_patient_of_training_is_refused_without_the_plan(made, tmp_path):
    run, cohort = made
    alone = Predictor.from_run(run, "image_only").save(tmp_path / "alone")
    with pytest.raises(RunError, match="in training"):
        class_heat(alone, cohort)
    table = cohort.table.assign(**{cohort.roles.patient: [f"new {name}" for name in cohort.radiograph_ids]})
    strangers = class_heat(alone, replace(cohort, table=table))
    assert torch.isfinite(torch.from_numpy(strangers.maps)).all()
