"""Feature maps of a frozen trunk: stored once, the same as the network's own, whole or absent."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.training.settings import TINY
from xattn_bmd import FoldPlan
from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.cache import cached_images
from xattn_bmd.data.datamodule import cohort_pictures
from xattn_bmd.data.transforms import augment
from xattn_bmd.errors import CacheError
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.maps import file as map_file
from xattn_bmd.training.maps import frozen
from xattn_bmd.training.maps.blocks import map_blocks
from xattn_bmd.training.maps.frozen import VIEWS, frozen_features
from xattn_bmd.training.study import Job, Study
from xattn_bmd.types import Variables

FREEZE = pytest.mark.parametrize("freeze", ["trunk", "layer3"])
STILL = AugmentConfig(rotation=0, translation=0, scale=0, contrast=0, gamma=0, noise=0)


@pytest.fixture(scope="module")
def trunk_file(tmp_path_factory):
    """Weights of a tiny trunk in a file, so that it may be frozen."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return path


@pytest.fixture(scope="module")
def decoded(tmp_path_factory):
    """A cache folder whose pictures are decoded by the first test."""
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture
def make_study(cohort, trunk_file, decoded):
    """Makes studies that find the pictures decoded and no maps."""
    shutil.rmtree(decoded / "features", ignore_errors=True)

    def make(freeze="trunk"):
        model = replace(TINY.model, weights=str(trunk_file), freeze=freeze)
        config = replace(TINY, model=model, reference=cohort.roles.reference)
        return Study(cohort, FoldPlan.make(cohort, folds=3), config, decoded)

    return make


@pytest.fixture
def study(make_study):
    return make_study()


def pictures_of(study):
    return cohort_pictures(study.cohort, study.cache)


def stored(study, **changes):
    """Open or compute the maps of a study, with some arguments changed."""
    arguments = {
        "pictures": pictures_of(study),
        "keys": study.cache.picture_keys,
        "model": study.config.model,
        "augmentation": study.config.training.augment,
        "seed": study.config.seed,
        "device": torch.device("cpu"),
        "folder": study.cache_folder,
    }
    return frozen_features(**arguments | changes)


def encoder_of(study, **changes):
    model = study.config.model
    arguments = {"backbone": model.backbone, "weights": model.weights, "width": 16, "freeze": model.freeze}
    return ImageEncoder(**arguments | changes).eval()


def files(study):
    return sorted((study.cache_folder / "features").iterdir())


@FREEZE
def test_view_0_is_what_the_encoder_makes_of_the_picture_itself(make_study, freeze):
    study = make_study(freeze)
    maps = study.images.features
    with torch.no_grad():
        expected = encoder_of(study).features(study.images.pictures.take(np.arange(5)))
    assert maps.shape == (len(study.cohort), VIEWS, *expected.shape[1:])
    np.testing.assert_allclose(maps[:5, 0], expected.numpy(), atol=1e-5)
    assert np.abs(maps[:, 1] - maps[:, 0]).max() > 1e-3


def test_the_maps_of_the_front_are_larger_than_those_of_the_trunk(make_study):
    trunk, front = (stored(make_study(freeze), augmentation=None).shape for freeze in ("trunk", "layer3"))
    assert front[3] == 2 * trunk[3] and len(files(make_study())) == 2


def test_views_are_drawn_by_the_row_in_the_cohort(study):
    row, training = torch.tensor([33]), study.config.training
    picture = study.images.pictures.take(row.numpy())
    with torch.no_grad():
        view = augment(picture, row, config=training.augment, seed=study.config.seed, epoch=3)
        expected = encoder_of(study).features(view)
    np.testing.assert_allclose(study.images.features[33, 3], expected[0].numpy(), atol=1e-5)


def test_maps_are_computed_once(study, monkeypatch):
    first = np.array(stored(study))
    monkeypatch.setattr(frozen, "map_blocks", lambda *_, **__: pytest.fail("stored maps were computed again"))
    again = stored(study)
    np.testing.assert_array_equal(again, first)
    assert isinstance(again, np.memmap) and not again.flags.writeable


def test_one_view_is_stored_where_no_random_change_is_wanted(study):
    one = stored(study, augmentation=None)
    assert one.shape[1] == 1
    np.testing.assert_array_equal(stored(study, augmentation=STILL, seed=study.config.seed + 1), one)
    assert len(files(study)) == 1


@pytest.mark.parametrize("change", ["seed", "augmentation", "keys", "sides", "weights", "format"])
def test_other_inputs_are_stored_apart(study, change, tmp_path, monkeypatch):
    few = replace(
        pictures_of(study), pixels=pictures_of(study).pixels[:4], right_side=pictures_of(study).right_side[:4]
    )
    keys = study.cache.picture_keys[:4]
    stored(study, pictures=few, keys=keys)
    if change == "weights":
        save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "other.safetensors")
    elif change == "format":
        monkeypatch.setattr(frozen, "FORMAT", "xattn-bmd-features-99")
    changed = {
        "seed": {"seed": 1},
        "augmentation": {"augmentation": replace(study.config.training.augment, rotation=1.0)},
        "keys": {"keys": (keys[1], keys[0], *keys[2:])},
        "sides": {"pictures": replace(few, right_side=~few.right_side)},
        "weights": {"model": replace(study.config.model, weights=str(tmp_path / "other.safetensors"))},
        "format": {},
    }
    stored(study, **{"pictures": few, "keys": keys} | changed[change])
    assert len(files(study)) == 2


def test_a_picture_of_another_file_or_preprocessing_has_another_key(study):
    paths = study.cohort.image_paths
    here = cached_images(paths, image=study.config.image, folder=study.cache_folder).picture_keys
    assert len(set(here)) == len(paths)
    other = replace(study.config.image, window=(1.0, 99.0))
    there = cached_images(paths, image=other, folder=study.cache_folder).picture_keys
    assert not set(here) & set(there)


def test_keys_of_another_cohort_are_refused(study):
    with pytest.raises(CacheError, match="40 pictures came with 39 keys"):
        stored(study, keys=study.cache.picture_keys[1:])


def kept(path):
    """Open or make a small file of maps."""
    made = (np.full((2, 1, 3, 2, 2), number, np.float32) for number in range(3))
    return np.array(map_file.stored_maps(path, rows=6, views=1, blocks=lambda: made))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-1], "mmap length|smaller|cannot"),
        (lambda data: data + b"x", "1 bytes too many"),
        (lambda data: data[:60], "header|EOF|array"),
        (lambda data: b"", "No data left|EOF|empty"),
        (lambda data: b"foreign" * 100, "magic|pickle|format"),
    ],
)
def test_a_damaged_file_is_said_and_computed_again(tmp_path, damage, reason, caplog):
    path = tmp_path / "features" / "key.npy"
    first = kept(path)
    assert (first[:, 0, 0, 0, 0] == [0, 0, 1, 1, 2, 2]).all()
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(kept(path), first)
    [record] = [record for record in caplog.records if record.name == map_file.__name__]
    assert "damaged" in record.getMessage() and path.name in record.getMessage()
    assert any(word in record.getMessage() for word in reason.split("|")), record.getMessage()


@pytest.mark.parametrize(
    "array", [np.zeros((6, 1, 3, 2, 2)), np.zeros((5, 1, 3, 2, 2), np.float32), np.zeros((6, 1, 3, 4), np.float32)]
)
def test_a_whole_file_of_other_arrays_is_computed_again(tmp_path, array):
    path = tmp_path / "features" / "key.npy"
    first = kept(path)
    np.save(path, array)
    np.testing.assert_array_equal(kept(path), first)


@FREEZE
def test_the_number_of_threads_moves_no_bit(make_study, freeze):
    study = make_study(freeze)
    before, encoder, pictures = torch.get_num_threads(), encoder_of(study), pictures_of(study)
    one, two, seven = (
        np.concatenate(list(map_blocks(pictures, encoder, views_of=lambda image, _: [image], threads=threads)))
        for threads in (1, 2, 7)
    )
    assert one.tobytes() == two.tobytes() == seven.tobytes()
    assert torch.get_num_threads() == before


def test_threads_are_given_back_when_the_caller_stops_early(study):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        blocks = map_blocks(pictures_of(study), encoder_of(study), views_of=lambda image, _: [image], threads=2)
        next(blocks)
        blocks.close()
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_progress_counts_radiographs_to_the_end(study):
    seen = []
    stored(study, augmentation=None, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40, 40) and [done for done, _ in seen] == sorted({done for done, _ in seen}) and len(seen) > 1


@pytest.mark.parametrize("place", ["fsync", "fdopen"])
def test_full_disk_leaves_nothing(study, monkeypatch, place):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    arguments = {"pictures": pictures_of(study), "keys": study.cache.picture_keys, "augmentation": None}
    monkeypatch.setattr(os, place, full)
    with pytest.raises(CacheError, match="full"):
        stored(study, **arguments)
    assert not files(study)


_SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from xattn_bmd.training.maps.file import stored_maps
def blocks():
    for number in range(3):
        yield np.full((1, 1, 2, 2, 2), number, np.float32)
        print("block", flush=True)
        time.sleep(float(sys.argv[2]))
print(stored_maps(Path(sys.argv[1]), rows=3, views=1, blocks=blocks).sum(), flush=True)
"""


def _start(path, *, seconds):
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", _SLOW, str(path), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": root})


def test_a_killed_process_leaves_no_maps_and_its_rest_is_swept_up(tmp_path):
    path = tmp_path / "features" / "key.npy"
    process = _start(path, seconds=60)
    assert process.stdout.readline() == "block\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [left.name[:8] for left in path.parent.iterdir()] == [".partial"]
    maps = map_file.stored_maps(
        path, rows=2, views=1, blocks=lambda: (np.ones((1, 1, 1, 1, 1), np.float32) for _ in range(2))
    )
    assert maps.shape == (2, 1, 1, 1, 1)
    assert list(path.parent.iterdir()) == [path]


def test_two_processes_that_want_the_same_maps_compute_them_once(tmp_path):
    path = tmp_path / "features" / "key.npy"
    first = _start(path, seconds=0.3)
    assert first.stdout.readline() == "block\n"
    started = time.monotonic()
    second = map_file.stored_maps(path, rows=3, views=1, blocks=lambda: pytest.fail("computed a second time"))
    assert first.wait() == 0 and time.monotonic() > started
    assert second.sum() == 24


@FREEZE
def test_a_fit_on_stored_maps_scores_what_its_network_says_of_the_pictures(make_study, freeze):
    study = make_study(freeze)
    result = fit_job(Job("xattn", 0, 1), study)
    rows = [study.cohort.radiograph_ids.index(name) for name in result.predictions["radiograph_id"]]
    network, pictures = result.estimator.build(), study.images.pictures
    encoded = result.estimator.encoder.transform(study.cohort.table)
    variables = [torch.from_numpy(part[rows]) for part in (encoded.numeric, encoded.codes, encoded.missing)]
    with torch.no_grad():
        expected = network(pictures.take(np.array(rows)), Variables(*variables)).density
    np.testing.assert_allclose(result.predictions["prediction"], expected, atol=1e-5)


@FREEZE
def test_the_frozen_part_is_the_same_after_the_fit_and_the_last_stage_only_where_it_is_frozen(make_study, freeze):
    study = make_study(freeze)
    result = fit_job(Job("image_only", 0, 0), study)
    encoder = encoder_of(study)
    given = {name: value.numpy() for name, value in encoder.state_dict().items() if name.startswith("trunk.")}
    found = {name: result.estimator.tensors[f"image_encoder.{name}"] for name in given}
    same = {name for name in given if np.array_equal(given[name], found[name])}
    assert encoder.frozen_names() <= same
    learned = {name for name in given if name not in encoder.frozen_names()}
    assert bool(learned) == (freeze == "layer3") and not learned & same
