"""A fitted localiser as a stage of the road: comparison, run folder, predictor, evaluation, list, heat; refusals."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.cohorts import write_cohort
from tests.localise.squares import write_squares
from tests.training.settings import TINY, tiny
from xattn_bmd import (
    Cohort,
    CropStage,
    Localiser,
    LocaliserConfig,
    Predictor,
    compare,
    evaluate,
    explain,
    read_radiograph,
)
from xattn_bmd.cli import main
from xattn_bmd.errors import ConfigError, LocaliseError, RadiographError, RunError
from xattn_bmd.training.prediction.digest import predictor_digest

CONFIG = LocaliserConfig(
    backbone="test_resnet", width=32, size=64, epochs=10, batch_size=2, learning_rate=6e-3, scale=0.05, shift=0.02,
    validation_fraction=0.25, contrast=0.1,
)  # fmt: skip
SETTINGS = tiny(models=("image_only", "metadata_only"), folds=2, training=replace(TINY.training, epochs=1))


def hide(table, seed):
    """Put each made-up hip of 48 pixels somewhere into a dark film of 96 x 128, bright as the localiser's squares."""
    rng, places = np.random.default_rng(seed), {}
    for row in pd.read_csv(table).itertuples():
        path = table.parent / "images" / row.image
        hip = np.asarray(Image.open(path)).astype(np.float64)[8:40, 8:40]
        film = rng.normal(8000, 800, size=(96, 128))
        y, x = int(rng.integers(4, 60)), int(rng.integers(4, 92))
        film[y : y + 32, x : x + 32] = 24000 + 0.6 * hip
        places[row.radiograph_id] = (x, y)
        Image.fromarray(film.clip(0, 65535).astype(np.uint16)).save(path)
    return places


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    """A localiser of bright squares, and the films of other people that it was fitted on."""
    people = [f"other_{number}" for number in range(10)]
    cohort, boxes = write_squares(
        tmp_path_factory.mktemp("squares") / "cohort", pictures=10, each=1, side=(128, 96), patients=people
    )
    return Localiser.fit(cohort, boxes.assign(label="femur"), labels=["femur"], config=CONFIG), cohort


@pytest.fixture(scope="module")
def stage(fit):
    return CropStage(fit[0], margin=0.2)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Films with a hip in each, and where it lies."""
    table = write_cohort(tmp_path_factory.mktemp("films"), n=20)
    places = hide(table, seed=1)
    return Cohort.from_csv(table), places


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache") / "pictures"


@pytest.fixture(scope="module")
def run(films, stage, cache, tmp_path_factory):
    """A run on crops; read-only."""
    out = tmp_path_factory.mktemp("run") / "RUN"
    return compare(films[0], out=out, config=SETTINGS, localiser=stage, cache=cache, progress=False)


@pytest.fixture(scope="module")
def new_films(tmp_path_factory):
    """Films of other people."""
    root = tmp_path_factory.mktemp("new")
    table = write_cohort(root, n=10, seed=7)
    hide(table, seed=8)
    text = table.read_text()
    table.write_text(text.replace(",p0", ",new_p0"))
    return Cohort.from_csv(table)


def test_a_crop_is_the_part_of_the_film_where_the_hip_lies(films, stage, cache):
    cohort, places = films
    crops = stage.crop(cohort, cache=cache)
    assert crops.radiograph_ids == cohort.radiograph_ids and crops.fingerprint == cohort.fingerprint
    for name, (x, y) in places.items():
        film = read_radiograph(cohort.image_paths[name]).pixels
        crop = read_radiograph(crops.image_paths[name]).pixels
        windows = np.lib.stride_tricks.sliding_window_view(film, crop.shape)
        top, left = np.argwhere((windows == crop).all(axis=(2, 3)))[0]
        bottom, right = top + crop.shape[0], left + crop.shape[1]
        rows, columns = (min(bottom, y + 32) - max(top, y)), (min(right, x + 32) - max(left, x))
        assert rows * columns > 0.75 * 32 * 32, name  # most of the hip
        assert crop.size < 0.5 * film.size, name


def test_a_radiograph_is_searched_once_and_its_crop_does_not_depend_on_the_others(films, stage, cache, monkeypatch):
    cohort, _ = films
    together = stage.crop(cohort, cache=cache).image_paths
    alone = stage.crop(cohort.subset(["hip_003"]), cache=cache / "alone").image_paths
    assert alone["hip_003"].read_bytes() == together["hip_003"].read_bytes()
    monkeypatch.setattr("xattn_bmd.localise.crops.stage.best_crop", None)
    assert stage.crop(cohort, cache=cache).image_paths == together
    record = alone["hip_003"].with_suffix(".json")
    record.write_text(record.read_text()[:9])  # a damaged entry is made anew
    monkeypatch.undo()
    assert stage.crop(cohort.subset(["hip_003"]), cache=cache / "alone").image_paths == alone
    assert json.loads(record.read_text())["boxes"] == 1


def test_the_run_says_which_localiser_and_each_model_that_sees_pictures_keeps_it(run, stage):
    facts = json.loads((run.folder / "crop.json").read_text())
    assert facts["localiser"] == stage.localiser.digest and (facts["label"], facts["margin"]) == ("femur", 0.2)
    assert (run.folder / "image_only" / "crop" / "localiser" / "network.safetensors").is_file()
    assert not (run.folder / "metadata_only" / "crop").exists()
    assert Predictor.from_run(run, "image_only").crop_digest == stage.digest
    assert Predictor.from_run(run, "metadata_only").crop_stage is None
    assert CropStage.load(run.folder / "image_only" / "crop").digest == stage.digest
    text = (run.folder / "image_only" / "crop" / "localiser" / "localiser.json").read_text()
    assert "other_3" not in text  # hashes, no ids


def test_networks_see_crops(run, films, stage, cache, tmp_path):
    cohort = films[0]
    predictor = Predictor.from_run(run, "image_only")
    predictions = run.predictions[run.predictions["model"] == "image_only"].set_index("radiograph_id")["prediction"]
    fold = run.predictions[run.predictions["model"] == "image_only"].set_index("radiograph_id")["fold"]
    whole = replace(predictor, crop_digest="")  # looks at the film as it is
    each = predictor.estimate_folds(cohort, cache=cache).each
    for row, name in enumerate(cohort.radiograph_ids):
        assert each[fold[name], row] == pytest.approx(predictions[name], abs=2e-6)
    assert np.abs(whole.estimate_folds(cohort, cache=cache).each - each).max() > 1e-4
    by_hand = stage.crop(cohort, cache=tmp_path / "cache")
    np.testing.assert_allclose(whole.estimate_folds(by_hand, cache=cache).each, each, rtol=0, atol=2e-6)


def test_a_saved_predictor_crops_new_films_untold_and_the_list_agrees(run, new_films, cache, tmp_path):
    kept = Predictor.load(Predictor.from_run(run, "image_only").save(tmp_path / "kept"))
    assert predictor_digest(kept) == predictor_digest(Predictor.from_run(run, "image_only"))
    table = kept.predict(new_films, cache=cache)
    source = new_films.images.folder.parent / "cohort.csv"
    done = kept.predict_archive(source, out=tmp_path / "list.csv")
    assert (done.estimated, done.problems) == (10, 0)
    listed = pd.read_csv(tmp_path / "list.csv")
    np.testing.assert_allclose(listed["prediction"], table["prediction"], rtol=0, atol=2e-6)
    shutil.rmtree(tmp_path / "kept" / "crop")
    with pytest.raises(LocaliseError, match="copy it again"):
        Predictor.load(tmp_path / "kept").predict(new_films, cache=cache)


def test_another_localiser_beside_a_model_is_refused(run, stage, tmp_path):
    kept = Predictor.from_run(run, "image_only").save(tmp_path / "kept")
    shutil.rmtree(kept / "crop")
    replace(stage, margin=0.5).save(kept / "crop")
    with pytest.raises(RunError, match="another localiser or margin"):
        _ = Predictor.load(kept).crop_stage
    with pytest.raises(LocaliseError, match="exists"):
        stage.save(kept / "crop")
    shutil.rmtree(kept / "crop" / "localiser")
    replace(stage.localiser, threshold=0.2).save(kept / "crop" / "localiser")
    with pytest.raises(LocaliseError, match="another localiser"):
        CropStage.load(kept / "crop")


def test_an_evaluation_crops_and_refuses_people_of_the_localiser(run, fit, new_films, cache, tmp_path):
    predictor = Predictor.from_run(run, "image_only")
    evaluation = evaluate(predictor, new_films, out=tmp_path / "EVALUATION", cache=cache, replicates=50)
    expected = predictor.predict(new_films, cache=cache).set_index("radiograph_id")["prediction"]
    found = evaluation.predictions.set_index("radiograph_id")["prediction"]
    np.testing.assert_allclose(found, expected[found.index], rtol=0, atol=2e-6)
    table = new_films.table.assign(patient_id=["other_4", *new_films.table["patient_id"][1:]])
    with pytest.raises(LocaliseError, match=r"the patient of 1 radiograph.* in its fit: hip_000"):
        evaluate(predictor, replace(new_films, table=table), out=tmp_path / "LEAK", cache=cache)
    assert not (tmp_path / "LEAK").exists()


def test_a_localiser_does_not_crop_people_on_whom_it_was_fitted(films, fit, cache, tmp_path):
    cohort = films[0]
    localiser, squares = fit
    table = cohort.table.assign(patient_id=["other_9", *cohort.table["patient_id"][1:]])
    with pytest.raises(LocaliseError, match=r"on whom it was not fitted, but the patient of 1 .*: hip_000"):
        compare(replace(cohort, table=table), out=tmp_path / "RUN", config=SETTINGS, localiser=localiser, cache=cache)
    paths = {**cohort.images.paths, "hip_004": squares.image_paths["r02"]}  # the same film under another id
    leaking = replace(cohort, images=replace(cohort.images, paths=paths))
    with pytest.raises(LocaliseError, match=r"the picture of 1 radiograph.*: hip_004"):
        compare(leaking, out=tmp_path / "RUN", config=SETTINGS, localiser=localiser, cache=cache, progress=False)
    assert not (tmp_path / "RUN").exists()


def test_a_run_is_continued_with_its_own_localiser_only(run, films, stage, cache, tmp_path):
    again = tmp_path / "RUN"
    shutil.copytree(run.folder, again)
    options = {"out": again, "config": SETTINGS, "cache": cache, "progress": False}
    before = (again / "predictions.csv").read_bytes()
    compare(films[0], localiser=again / "image_only" / "crop", **options)
    assert (again / "predictions.csv").read_bytes() == before
    other = replace(stage, localiser=replace(stage.localiser, threshold=0.9 * stage.localiser.threshold))
    for wanted, words in ((other, "margin 0.2.* and .*was given"), (None, "and none was given")):
        with pytest.raises(RunError, match=words):
            compare(films[0], localiser=wanted, **options)
    (again / "crop.json").unlink()
    with pytest.raises(RunError, match="has none and"):
        compare(films[0], localiser=stage, **options)


def test_none_and_several_are_told_in_one_list(films, stage, tmp_path):
    cohort, places = films
    x, y = places["hip_002"]
    hip = np.asarray(Image.open(cohort.image_paths["hip_002"]))[y : y + 32, x : x + 32]
    empty = np.random.default_rng(0).normal(8000, 800, size=(96, 128)).astype(np.uint16)
    double = empty.copy()
    double[6:38, 6:38], double[56:88, 84:116] = hip, hip
    paths = dict(cohort.images.paths)
    for name, shown in (("hip_001", empty), ("hip_002", double)):
        paths[name] = tmp_path / f"{name}.png"
        Image.fromarray(shown).save(paths[name])
    mixed = replace(cohort, images=replace(cohort.images, paths=paths))
    strict, lax = stage, replace(stage, on_problem="warn")
    with pytest.raises(
        LocaliseError, match=r"1\. .*in 1 none was found: hip_001;.*\n2\. .*in 1 several.*hip_002 \(\d\)"
    ):
        strict.crop(mixed, cache=tmp_path / "cache")
    with pytest.raises(LocaliseError, match="none was found: hip_001"):  # nobody is left out unasked
        lax.crop(mixed, cache=tmp_path / "cache")
    some = mixed.subset(["hip_000", "hip_002"])
    with pytest.raises(LocaliseError, match="several were found: hip_002"):
        strict.crop(some, cache=tmp_path / "cache")
    with pytest.warns(UserWarning, match="several were found: hip_002"):
        crops = lax.crop(some, cache=tmp_path / "cache")
    assert set(crops.image_paths) == {"hip_000", "hip_002"}
    with pytest.raises(LocaliseError, match=r"in 1 none was found: hip_001.png"), lax.cropped_file(paths["hip_001"]):
        pass
    with lax.cropped_file(paths["hip_002"]) as crop:
        assert crop.read_bytes() == crops.image_paths["hip_002"].read_bytes()
    text = tmp_path / "text.png"
    text.write_text("no picture")
    broken = replace(mixed, images=replace(cohort.images, paths=paths | {"hip_005": text}))
    with pytest.raises(RadiographError, match=r"1 of 20 are not.*\n- hip_005"):
        strict.crop(broken, cache=tmp_path / "cache")


def test_what_a_list_cannot_crop_is_a_problem_of_its_row(run, new_films, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(new_films.images.folder.parent, root)
    noise = np.random.default_rng(0).normal(8000, 800, size=(96, 128)).astype(np.uint16)
    Image.fromarray(noise).save(root / "images" / "hip_006.png")
    predictor = Predictor.from_run(run, "image_only")
    done = predictor.predict_archive(root / "cohort.csv", out=tmp_path / "list.csv")
    assert (done.estimated, done.problems) == (9, 1)
    assert "none was found: hip_006.png" in done.problems_table.read_text()
    with pytest.raises(LocaliseError, match="none was found: hip_006"):
        predictor.predict(Cohort.from_csv(root / "cohort.csv"), cache=tmp_path / "cache")


def test_heat_is_that_of_crops_and_masks_of_whole_films_are_refused(run, films, cache, tmp_path):
    cohort = films[0]
    found = explain(
        run,
        cohort,
        out=tmp_path / "HEAT",
        method="grad_cam",
        steps=0,
        sheets=1,
        controls=(),
        cache=cache,
        replicates=20,
    )
    predictor = Predictor.from_run(run, "image_only")
    fold = run.predictions[run.predictions["model"] == "image_only"].set_index("radiograph_id")["fold"]
    each = predictor.estimate_folds(cohort, cache=cache).each
    expected = [each[fold[name], row] for row, name in enumerate(cohort.radiograph_ids)]
    np.testing.assert_allclose(found.heat["density"], expected, rtol=0, atol=2e-6)
    with pytest.raises(ConfigError, match="Masks are drawn on whole radiographs"):
        explain(run, cohort, out=tmp_path / "MASKED", masks=tmp_path, cache=cache)


def test_the_command_takes_a_folder(films, stage, run, cache, tmp_path, capsys, undrawn):
    stage.localiser.save(tmp_path / "femur")
    cohort = films[0]
    arguments = ["compare", str(cohort.images.folder.parent / "cohort.csv"), "--localiser", str(tmp_path / "femur")]
    settings = run.folder / "config.yaml"
    main([*arguments, "--settings", str(settings), "--out", str(tmp_path / "RUN"), "--cache", str(cache)])
    assert "image_only" in capsys.readouterr().out
    facts = json.loads((tmp_path / "RUN" / "crop.json").read_text())
    assert facts["localiser"] == stage.localiser.digest and facts["margin"] == 0.1


def test_settings_that_cannot_be(films, fit, stage, cache, tmp_path):
    localiser = fit[0]
    two = replace(localiser, labels=("femur", "pelvis"))
    with pytest.raises(ConfigError, match="one label of its localiser"):
        CropStage(two)
    assert CropStage(two, label="pelvis").label == "pelvis"
    for wrong, words in (({"margin": 3.0}, "margin"), ({"on_problem": "skip"}, "on_problem"), ({"label": "x"}, "'x'")):
        with pytest.raises(ConfigError, match=words):
            CropStage(localiser, **wrong)
    options = {"out": tmp_path / "RUN", "localiser": stage, "cache": cache, "progress": False}
    with pytest.raises(ConfigError, match="look at none"):
        compare(films[0], config=tiny(models=("ridge",), folds=2), **options)
    masked = replace(SETTINGS, model=replace(SETTINGS.model, mask_head="unet"))
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in films[0].radiograph_ids:
        Image.fromarray((np.indices((96, 128))[0] > 40).astype(np.uint8) * 255).save(masks / f"{name}.png")
    drawn = Cohort.from_csv(films[0].images.folder.parent / "cohort.csv", masks=masks)
    with pytest.raises(ConfigError, match="Masks are drawn on whole radiographs"):
        compare(drawn, config=masked, **options)
    plain = compare(drawn, config=replace(SETTINGS, models=("image_only",)), **options)  # masks that nobody learns
    assert len(plain.predictions) == 20
    with pytest.raises(LocaliseError, match="no whole one"):
        compare(films[0], config=SETTINGS, **(options | {"localiser": tmp_path}))


def test_digests_follow_what_decides(fit, stage):
    localiser = fit[0]
    assert replace(localiser, history=()).digest == localiser.digest
    assert replace(localiser, threshold=0.5).digest != localiser.digest
    assert replace(stage, on_problem="warn").digest == stage.digest
    assert replace(stage, margin=0.3).digest != stage.digest
    assert localiser.fitted_on.has_patient("other_0") and not localiser.fitted_on.has_patient("p000")
    before = localiser.digest
    changed = Localiser(**{name: getattr(localiser, name) for name in localiser.__dataclass_fields__})
    weight = next(changed.detector.parameters())
    with torch.no_grad():
        weight.add_(1.0)
        assert changed.digest != before
        weight.sub_(1.0)
