"""The whole localiser on bright squares: it learns them, finds them, is kept, and refuses what it must."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from tests.localise.squares import write_squares
from xattn_bmd import Localiser, LocaliserConfig, detection_table, picture_sizes, read_boxes
from xattn_bmd.errors import ConfigError, FoldPlanError, LocaliseError

CONFIG = LocaliserConfig(
    backbone="test_resnet", width=32, size=64, epochs=14, batch_size=2, learning_rate=4e-3, scale=0.05, shift=0.02,
    validation_fraction=0.25, contrast=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares") / "cohort", pictures=12, each=2)


@pytest.fixture(scope="module")
def localiser(data):
    cohort, boxes = data
    return Localiser.fit(cohort, boxes, labels=["square"], config=CONFIG)


def test_it_finds_squares_that_it_has_not_seen(localiser, tmp_path):
    cohort, boxes = write_squares(tmp_path / "new", pictures=6, each=2, seed=5)
    found = localiser.locate(cohort, threshold=0.0, on_problem="warn")
    table = detection_table(boxes, found, patients=dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)))
    assert table.set_index("metric").loc["map50", "value"] > 0.9
    kept = localiser.locate(cohort, on_problem="warn")
    assert 9 <= len(kept) <= 14  # the threshold of the fit separates the 12 squares from the rest
    assert list(kept["radiograph_id"]) == sorted(kept["radiograph_id"])


def test_the_fit_is_recorded(localiser):
    assert [course["epoch"] for course in localiser.history] == list(range(CONFIG.epochs))
    assert max(course["score"] for course in localiser.history) > localiser.history[0]["score"]
    assert 0 < localiser.threshold < 1


def test_saved_and_loaded_it_finds_the_same(localiser, data, tmp_path):
    localiser.save(tmp_path / "kept")
    again = Localiser.load(tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["localiser.json", "network.safetensors"]
    assert (again.labels, again.config, again.threshold) == (localiser.labels, localiser.config, localiser.threshold)
    some = data[0].subset(["r00", "r01"])
    both = [each.locate(some, threshold=0.0, on_problem="warn") for each in (localiser, again)]
    pd.testing.assert_frame_equal(*both, check_exact=True)
    with pytest.raises(LocaliseError, match="exists"):
        localiser.save(tmp_path / "kept")
    (tmp_path / "kept" / "network.safetensors").write_bytes(b"cut")
    with pytest.raises(LocaliseError, match="missing or damaged"):
        Localiser.load(tmp_path / "kept")
    with pytest.raises(LocaliseError, match="no whole one"):
        Localiser.load(tmp_path)


def test_the_same_seed_gives_the_same_localiser_and_touches_no_global_generator(data):
    cohort, boxes = data
    config = dataclasses.replace(CONFIG, epochs=1, size=64)
    torch.manual_seed(7)
    fits = [Localiser.fit(cohort, boxes, labels=["square"], config=config)]
    drawn = torch.rand(1)
    torch.manual_seed(8)
    fits.append(Localiser.fit(cohort, boxes, labels=["square"], config=config))
    states = [fit.detector.state_dict() for fit in fits]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(1))
    other = Localiser.fit(cohort, boxes, labels=["square"], config=dataclasses.replace(config, seed=1))
    assert not all(torch.equal(states[0][name], value) for name, value in other.detector.state_dict().items())


def test_too_few_too_many_and_none(localiser, data, tmp_path):
    cohort = data[0].subset(["r00", "r01", "r02"])
    with pytest.raises(LocaliseError, match="in 3 none was found: r00, r01, r02"):
        localiser.locate(cohort, threshold=1.0)
    with pytest.raises(LocaliseError, match="shows 40 or more boxes 'square', but in 3 fewer"):
        localiser.locate(cohort, expected={"square": (40, 50)}, threshold=0.2)
    assert not (tmp_path / "found.csv").exists()
    with pytest.warns(UserWarning, match="at most 1 boxes 'square', but in 3 more"):
        kept = localiser.locate(
            cohort, expected={"square": (0, 1)}, threshold=0.1, on_problem="warn", out=tmp_path / "found.csv"
        )
    everything = localiser.locate(cohort, threshold=0.1)
    best = everything.groupby("radiograph_id")["score"].max()
    assert kept.set_index("radiograph_id")["score"].to_dict() == best.to_dict()
    written = read_boxes(tmp_path / "found.csv", labels=["square"], sizes=picture_sizes(cohort))
    pd.testing.assert_frame_equal(written, kept, check_dtype=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expected": {"circle": (0, 1)}}, "'circle' is none"),
        ({"expected": {"square": (3, 1)}}, "rise"),
        ({"on_problem": "ignore"}, "'ignore'"),
        ({"device": "cuda:99"}, "cuda:99"),
    ],
)
def test_impossible_settings(localiser, data, options, words):
    with pytest.raises(ConfigError, match=words):
        localiser.locate(data[0].subset(["r00"]), **options)


def test_every_radiograph_has_boxes_and_no_box_is_left_over(data):
    cohort, boxes = data
    with pytest.raises(LocaliseError, match=r"1 has none: r00"):
        Localiser.fit(cohort, boxes[boxes["radiograph_id"] != "r00"], labels=["square"], config=CONFIG)
    with pytest.raises(LocaliseError, match=r"radiograph with an image, but r00 has none"):
        Localiser.fit(cohort.subset(set(cohort.radiograph_ids) - {"r00"}), boxes, labels=["square"], config=CONFIG)
    with pytest.raises(LocaliseError, match="but square was found"):
        Localiser.fit(cohort, boxes, labels=["circle"], config=CONFIG)


def test_one_patient_is_not_enough(tmp_path):
    cohort, boxes = write_squares(tmp_path / "one", pictures=2, patients=["p", "p"])
    with pytest.raises(ConfigError, match="one patient only"):
        Localiser.fit(cohort, boxes, labels=["square"], config=CONFIG)


def test_one_picture_under_two_patients_is_refused_on_two_sides(tmp_path):
    cohort, boxes = write_squares(tmp_path / "leak", pictures=2, each=1)
    paths = cohort.image_paths
    paths["r01"].write_bytes(paths["r00"].read_bytes())
    same = boxes[boxes["radiograph_id"] == "r00"]
    both = pd.concat([same, same.assign(radiograph_id="r01")])
    with pytest.raises(FoldPlanError, match="picture belongs to one part"):
        Localiser.fit(cohort, both, labels=["square"], config=CONFIG)


def test_patients_are_held_out_whole(tmp_path):
    from xattn_bmd.localise.localiser import _held_out

    boxes = pd.DataFrame({"radiograph_id": [f"r{row}" for row in range(20)]})
    patients = {f"r{row}": f"p{row // 3}" for row in range(20)}
    for seed in range(10):
        split = _held_out(boxes, patients, config=dataclasses.replace(CONFIG, seed=seed))
        assert not {patients[name] for name in split.train} & {patients[name] for name in split.validation}
        assert sorted(split.train + split.validation) == sorted(patients)
        assert 1 <= len({patients[name] for name in split.validation}) <= 3
    assert np.isfinite(CONFIG.learning_rate)
