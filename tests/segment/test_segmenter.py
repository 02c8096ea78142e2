from dataclasses import replace

import numpy as np
import pytest

from tests.segment.planted import TINY, cohort, ellipsoid, planted, points
from xattn_bmd.data.volumes.crop import crop
from xattn_bmd.data.volumes.resample import resample
from xattn_bmd.errors import ConfigError, FoldPlanError, ModelError, VolumeError
from xattn_bmd.metrics.dice import dice
from xattn_bmd.metrics.surface import surface_distance
from xattn_bmd.segment.segmenter import VolumeSegmenter
from xattn_bmd.types import LabelMap, Volume

SHORT = replace(TINY, epochs=1, steps=2)


def overlap(found, drawn):
    return float(dice((found.labels > 0)[None], (drawn.labels > 0)[None])[0])


def test_learns_a_planted_ellipsoid(segmenter):
    scores = [course["dice"] for course in segmenter.history]
    for seed in (20, 21):
        volume, drawn = planted(seed)
        found = segmenter.segment(volume)
        assert overlap(found, drawn) > 0.9
        assert surface_distance(found.labels > 0, drawn.labels > 0, spacing_mm=volume.spacing_mm).assd < 1.5
        assert found.names == {"vertebra": 1} and set(np.unique(found.labels)) == {0, 1}
    assert max(scores) > 0.9


def test_learns_several_labels_apart():
    volumes, labels = cohort(3, labels=2)
    config = replace(TINY, labels=("L2", "L1"), validation_fraction=0.0, epochs=3)
    fitted = VolumeSegmenter.fit(volumes, labels, patients=list("ABC"), config=config)
    volume, drawn = planted(30, labels=2)
    found = fitted.segment(volume)
    assert found.names == {"L2": 1, "L1": 2}
    for name in ("L1", "L2"):
        ours, theirs = found.labels == found.names[name], drawn.labels == drawn.names[name]
        assert dice(ours[None], theirs[None])[0] > 0.85
    assert [set(course) for course in fitted.history] == [{"epoch", "loss", "seconds"}] * 3


@pytest.mark.parametrize("spacing", [(2.0, 1.4, 1.4), (4.0, 2.5, 1.0)])
def test_another_spacing_lands_in_the_same_place(segmenter, spacing):
    """The same patient scanned finer or coarser: labels come on the scan's own voxels, where the ellipsoid is."""
    volume, drawn = planted(22, spacing=spacing)
    found = segmenter.segment(volume)
    assert found.labels.shape == volume.voxels.shape and found.spacing_mm == spacing
    assert overlap(found, drawn) > 0.88
    assert np.linalg.norm(centre_mm(found) - centre_mm(drawn)) < 1.0


def test_a_resampled_volume_lands_in_the_same_place(segmenter):
    volume, drawn = planted(23)
    fine = segmenter.segment(resample(volume, (1.7, 1.3, 2.6)))
    assert np.linalg.norm(centre_mm(fine) - centre_mm(drawn)) < 1.0


def test_a_cropped_volume_lands_in_the_same_place(segmenter):
    volume, drawn = planted(24)
    part = segmenter.segment(crop(volume, start=(2, 3, 5), stop=(19, 31, 30)))
    assert part.labels.shape == (17, 28, 25)
    assert np.linalg.norm(centre_mm(part) - centre_mm(drawn)) < 1.0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turned_volume_lands_where_it_was_turned_to(segmenter, axis):
    volume, drawn = planted(25)
    flipped = replace(volume, voxels=np.flip(volume.voxels, axis).copy())
    found = segmenter.segment(flipped)
    assert overlap(found, replace(drawn, labels=np.flip(drawn.labels, axis))) > 0.9


def test_a_memory_map_of_whole_numbers_will_do(segmenter, tmp_path):
    volume, _ = planted(26)
    np.save(tmp_path / "hu.npy", np.rint(volume.voxels).astype(np.int16))
    mapped = replace(volume, voxels=np.load(tmp_path / "hu.npy", mmap_mode="r"))
    whole = replace(volume, voxels=np.rint(volume.voxels))
    assert np.array_equal(segmenter.segment(mapped).labels, segmenter.segment(whole).labels)


def test_same_seed_same_network_and_another_seed_another():
    volumes, labels = cohort(3)
    fits = [
        VolumeSegmenter.fit(volumes, labels, patients=list("ABC"), config=replace(SHORT, seed=seed))
        for seed in (1, 1, 2)
    ]
    first, again, other = (fit.network.last.weight for fit in fits)
    assert first.equal(again) and not first.equal(other)
    assert fits[0].history[0]["dice"] == fits[1].history[0]["dice"]


def test_the_best_epoch_is_kept():
    volumes, labels = cohort(3)
    seen = []
    config = replace(TINY, epochs=4, steps=4, learning_rate=0.05)
    fitted = VolumeSegmenter.fit(volumes, labels, patients=list("ABC"), config=config, on_epoch=seen.append)
    best = max(range(4), key=lambda epoch: fitted.history[epoch]["dice"])
    import torch

    from xattn_bmd.segment.fit import mean_dice
    from xattn_bmd.segment.samples import see_pairs

    samples = see_pairs(volumes, labels, config=config)
    kept = [mean_dice(fitted.network, [sample], config=config, device=torch.device("cpu")) for sample in samples]
    assert fitted.history[best]["dice"] in kept
    assert list(fitted.history) == seen


def test_saved_and_opened_gives_the_same(segmenter, tmp_path):
    volume, _ = planted(27)
    segmenter.save(tmp_path / "kept")
    opened = VolumeSegmenter.open(tmp_path / "kept")
    assert opened.config == segmenter.config and opened.history == segmenter.history
    assert np.array_equal(opened.segment(volume).labels, segmenter.segment(volume).labels)
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {"network.safetensors", "segmenter.json"}
    with pytest.raises(ModelError, match="new folder"):
        segmenter.save(tmp_path / "kept")


def test_damaged_folders_are_refused(segmenter, tmp_path):
    with pytest.raises(ModelError, match=r"segmenter\.json"):
        VolumeSegmenter.open(tmp_path)
    segmenter.save(tmp_path / "kept")
    record = tmp_path / "kept" / "segmenter.json"
    text = record.read_text()
    record.write_text(text.replace('"width": 8', '"width": 16'))
    with pytest.raises(ModelError, match="fit its settings"):
        VolumeSegmenter.open(tmp_path / "kept")
    record.write_text(text.replace("segmenter-1", "segmenter-9"))
    with pytest.raises(ModelError, match="format"):
        VolumeSegmenter.open(tmp_path / "kept")
    record.write_text(text)
    (tmp_path / "kept" / "network.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="damaged"):
        VolumeSegmenter.open(tmp_path / "kept")


def test_no_bone_in_the_field_is_an_error(segmenter):
    volume, _ = planted(28)
    soft = replace(volume, voxels=np.minimum(volume.voxels, 60.0))
    with pytest.raises(VolumeError, match=r"\(vertebra\), but none of"):
        segmenter.segment(soft)


def _other_grid(volume, drawn):
    return volume, replace(drawn, labels=drawn.labels[1:])


def _moved(volume, drawn):
    affine = drawn.affine.copy()
    affine[0, 3] += 5
    return volume, replace(drawn, affine=affine)


def _empty(volume, drawn):
    return volume, replace(drawn, labels=np.zeros_like(drawn.labels))


def _other_names(volume, drawn):
    return volume, replace(drawn, names={"femur": 11})


def _not_hu(volume, drawn):
    return replace(volume, voxels=volume.voxels + 1024), drawn


def _normalised(volume, drawn):
    return replace(volume, voxels=volume.voxels / 1000), drawn


def _nan(volume, drawn):
    voxels = volume.voxels.copy()
    voxels[3, 3, 3] = np.nan
    return replace(volume, voxels=voxels), drawn


def _thin(volume, drawn):
    return replace(volume, voxels=volume.voxels[9:11]), replace(drawn, labels=drawn.labels[9:11])


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_other_grid, "volume 1 are"),
        (_moved, "volume 1 is 5.00 mm"),
        (_empty, "volume 1 are empty"),
        (_other_names, "femur"),
        (_not_hu, "wrong units"),
        (_normalised, "normalised"),
        (_nan, "NaN"),
        (_thin, "measures at least 12 x 8 x 8 mm"),
    ],
)
def test_faults_of_a_training_volume_are_named(break_it, message):
    volumes, labels = cohort(2)
    volumes[1], labels[1] = break_it(volumes[1], labels[1])
    with pytest.raises(VolumeError, match=message):
        VolumeSegmenter.fit(volumes, labels, patients=["A", "B"], config=SHORT)


def test_faults_of_the_whole_set_are_named():
    volumes, labels = cohort(2)
    with pytest.raises(VolumeError, match="2 volumes and 1 label maps"):
        VolumeSegmenter.fit(volumes, labels[:1], patients=["A", "B"], config=SHORT)
    with pytest.raises(ConfigError, match="1 patients"):
        VolumeSegmenter.fit(volumes, labels, patients=["A"], config=SHORT)
    with pytest.raises(ConfigError, match="one patient only"):
        VolumeSegmenter.fit(volumes, labels, patients=["A", "A"], config=SHORT)
    with pytest.raises(VolumeError, match="L5 in none"):
        VolumeSegmenter.fit(volumes, labels, patients=["A", "B"], config=replace(SHORT, labels=("vertebra", "L5")))
    with pytest.raises(ConfigError, match="device"):
        VolumeSegmenter.fit(volumes, labels, patients=["A", "B"], config=SHORT, device="abacus")


def test_one_scan_under_two_patients_is_refused():
    volumes, labels = cohort(1)
    with pytest.raises(FoldPlanError, match="scan"):
        VolumeSegmenter.fit(volumes * 2, labels * 2, patients=["A", "B"], config=SHORT)


def test_a_patients_scans_stay_together():
    """Two scans of one patient, one of another: the held-out part is one patient whole."""
    from xattn_bmd.segment.samples import see_pairs
    from xattn_bmd.segment.segmenter import _parts

    volumes, labels = cohort(6)
    samples = see_pairs(volumes, labels, config=SHORT)
    patients = ["A", "B", "A", "B", "C", "C"]
    for seed in range(6):
        training, validation = _parts(samples, patients, config=replace(SHORT, seed=seed))
        held = {patients[samples.index(sample)] for sample in validation}
        assert len(validation) == 2 and len(held) == 1 and len(training) == 4
        assert held.isdisjoint(patients[samples.index(sample)] for sample in training)


def test_too_small_or_wrong_units_at_inference(segmenter):
    volume, _ = planted(29)
    with pytest.raises(VolumeError, match="measures at least"):
        segmenter.segment(crop(volume, start=(0, 0, 0), stop=(20, 32, 3)))
    with pytest.raises(VolumeError, match="wrong units"):
        segmenter.segment(replace(volume, voxels=volume.voxels + 1024))


def centre_mm(drawn: LabelMap | Volume) -> np.ndarray:
    return points(drawn.labels.shape, drawn.affine)[drawn.labels > 0].mean(axis=0)


def test_the_planted_ellipsoid_is_where_it_is_said_to_be():
    volume, drawn = planted(0)
    inside = ellipsoid(points(drawn.labels.shape, drawn.affine), centre_mm(drawn), (14.0, 11.0, 14.0))
    assert dice(inside[None], (drawn.labels > 0)[None])[0] > 0.97
    assert volume.orientation == ("I", "P", "L")


def test_goes_on_from_a_fitted_one(segmenter):
    volumes, labels = cohort(2)
    settings = replace(SHORT, learning_rate=1e-9, validation_fraction=0.0)
    further = VolumeSegmenter.fit(volumes, labels, patients=["A", "B"], config=settings, start=segmenter)
    volume, drawn = planted(24)
    assert overlap(further.segment(volume), drawn) > 0.9  # two steps of nearly nothing leave it as it was
    afresh = VolumeSegmenter.fit(volumes, labels, patients=["A", "B"], config=settings)
    assert float(afresh.history[0]["loss"]) > 2 * float(further.history[0]["loss"])


@pytest.mark.parametrize("change", [{"labels": ("rib",)}, {"window_hu": (-100.0, 900.0)}, {"width": 4}])
def test_does_not_go_on_from_other_settings(segmenter, change):
    volumes, labels = cohort(2)
    settings = replace(SHORT, validation_fraction=0.0, **change)
    with pytest.raises(ConfigError, match=f"the same {next(iter(change))}"):
        VolumeSegmenter.fit(volumes, labels, patients=["A", "B"], config=settings, start=segmenter)
