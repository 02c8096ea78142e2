"""The files of fitted folds: what was frozen is stored once for a model, checked, and shared when it is read."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from xattn_bmd.config import ModelConfig
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.errors import RunError
from xattn_bmd.models.network import build_network, frozen_names
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.runs.estimator_file import (
    FORMAT,
    STATE_FILE,
    WEIGHTS_FILE,
    copy_estimators,
    estimator_files,
    load_estimator,
    write_shared,
)

FOLDS = ("repeat_00/fold_00", "repeat_00/fold_01", "repeat_01/fold_00")
FREEZE = pytest.mark.parametrize("freeze", ["trunk", "layer3"])


def made(cohort, *, freeze="trunk", model="concat", seed=0):
    """Return an estimator as a fit leaves it: the frozen part the same in all, the rest by the seed."""
    encoder = VariableEncoder.fit(cohort.table, cohort.schema)
    config = ModelConfig(backbone="test_resnet", width=16, layers=1, freeze=freeze, weights="trunk.safetensors")
    state = {}
    for current in (0, seed + 1):
        torch.manual_seed(current)
        network = build_network(
            fusion=model,
            schema=cohort.schema,
            config=replace(config, weights="none"),
            target_mean=0.9,
            target_sd=0.1,
            weights_follow=True,
        )
        keep = frozen_names(config) if state else frozenset()
        state |= {name: value.numpy() for name, value in network.state_dict().items() if name not in keep}
    return Estimator(model, encoder, config, state, {"fold": seed})


def written(folder, estimators):
    for fold, estimator in zip(FOLDS, estimators, strict=False):
        files = estimator_files(estimator)
        write_shared(folder, files.shared)
        (folder / fold).mkdir(parents=True)
        for name, content in files.fold.items():
            (folder / fold / name).write_bytes(content)
    return folder


@pytest.fixture
def model_folder(cohort, tmp_path):
    """A model of three folds with a frozen trunk."""
    return written(tmp_path / "concat", [made(cohort, seed=seed) for seed in range(3)])


def shared_file(folder):
    [path] = folder.glob("frozen-*")
    return path


@FREEZE
def test_loaded_folds_are_those_that_were_stored(cohort, tmp_path, freeze):
    estimators = [made(cohort, freeze=freeze, seed=seed) for seed in range(3)]
    folder = written(tmp_path / "concat", estimators)
    for fold, estimator in zip(FOLDS, estimators, strict=True):
        again = load_estimator(folder / fold)
        assert again.tensors.keys() == estimator.tensors.keys()
        for name, value in estimator.tensors.items():
            np.testing.assert_array_equal(again.tensors[name], value)
            assert again.tensors[name].dtype == value.dtype and again.tensors[name].shape == value.shape
        assert (again.model, again.network, again.record) == (estimator.model, estimator.network, estimator.record)
        again.build()


@FREEZE
def test_each_tensor_is_stored_once(cohort, tmp_path, freeze):
    folder = written(tmp_path / "concat", [made(cohort, freeze=freeze, seed=seed) for seed in range(3)])
    frozen = set(load_file(shared_file(folder)))
    assert frozen == frozen_names(ModelConfig(backbone="test_resnet", freeze=freeze))
    everything = set(made(cohort, freeze=freeze).tensors)
    assert all(set(load_file(folder / fold / WEIGHTS_FILE)) == everything - frozen for fold in FOLDS)
    assert any("layer4" in name for name in frozen) == (freeze == "trunk")


@pytest.mark.parametrize(("model", "freeze"), [("concat", "none"), ("metadata_only", "trunk")])
def test_nothing_is_shared_where_nothing_is_frozen(cohort, tmp_path, model, freeze):
    estimator = made(cohort, freeze=freeze, model=model)
    files = estimator_files(estimator)
    assert files.shared == {} and json.loads(files.fold[STATE_FILE])["frozen"] is None
    folder = written(tmp_path / model, [estimator])
    assert load_estimator(folder / FOLDS[0]).tensors.keys() == estimator.tensors.keys()


def test_a_baseline_has_no_shared_file(cohort, tmp_path):
    encoder = VariableEncoder.fit(cohort.table, cohort.schema)
    estimator = Estimator("ridge", encoder, None, {"weight": np.arange(3.0)}, {})
    folder = written(tmp_path / "ridge", [estimator])
    np.testing.assert_array_equal(load_estimator(folder / FOLDS[0]).tensors["weight"], np.arange(3.0))
    assert not list(folder.glob("frozen-*"))


def test_the_name_of_the_shared_file_is_its_content(cohort, model_folder):
    import hashlib

    path = shared_file(model_folder)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f"frozen-{digest[:16]}.safetensors"
    for fold in FOLDS:
        state = json.loads((model_folder / fold / STATE_FILE).read_text())
        assert state["format"] == FORMAT and state["frozen"] == {"file": path.name, "sha256": digest}
    other = made(cohort)
    name = next(iter(frozen_names(other.network)))
    other.tensors[name] = other.tensors[name] + 1
    assert estimator_files(other).shared.keys() != {path.name}


def test_a_shared_file_is_written_once_and_mended_where_it_is_damaged(cohort, model_folder):
    path, files = shared_file(model_folder), estimator_files(made(cohort))
    whole, when = path.read_bytes(), path.stat().st_mtime_ns
    write_shared(model_folder, files.shared)
    assert path.stat().st_mtime_ns == when
    path.write_bytes(whole[:-1])
    write_shared(model_folder, files.shared)
    assert path.read_bytes() == whole


def test_folds_share_the_frozen_arrays_which_nobody_can_change(model_folder):
    first, second = (load_estimator(model_folder / fold).tensors for fold in FOLDS[:2])
    frozen = set(load_file(shared_file(model_folder)))
    assert all(first[name] is second[name] and not first[name].flags.writeable for name in frozen)
    assert not any(first[name] is second[name] for name in first.keys() - frozen)
    with pytest.raises(ValueError, match="read-only"):
        first[min(frozen)][...] = 0


@pytest.mark.parametrize("opened", [False, True])
def test_a_changed_shared_file_is_refused_even_if_it_was_read_before(model_folder, opened):
    path = shared_file(model_folder)
    if opened:
        load_estimator(model_folder / FOLDS[0])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(RunError, match=f"{path.name} was changed or damaged; copy the file again"):
        load_estimator(model_folder / FOLDS[0])


def test_a_truncated_shared_file_is_refused(model_folder):
    path = shared_file(model_folder)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RunError, match="changed or damaged"):
        load_estimator(model_folder / FOLDS[1])


def test_a_missing_shared_file_is_named_with_the_fix(model_folder):
    path = shared_file(model_folder)
    path.unlink()
    with pytest.raises(RunError, match=f"share {path.name}, but it is missing in .*; copy whole model folders"):
        load_estimator(model_folder / FOLDS[1])


def test_a_fold_folder_alone_is_refused(model_folder, tmp_path):
    alone = shutil.copytree(model_folder / FOLDS[0], tmp_path / "alone" / "repeat_00" / "fold_00")
    with pytest.raises(RunError, match="copy whole model folders"):
        load_estimator(alone)


def test_a_relative_folder_finds_the_shared_file(model_folder, monkeypatch):
    monkeypatch.chdir(model_folder / "repeat_00")
    assert load_estimator(type(model_folder)("fold_01")).record == {"fold": 1}


def test_the_older_format_is_refused_with_the_fix(model_folder):
    path = model_folder / FOLDS[0] / STATE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": "xattn-bmd-estimator-1"}))
    with pytest.raises(RunError, match="older 'xattn-bmd-estimator-1'; run `compare` again into a new folder"):
        load_estimator(path.parent)


def test_a_copy_holds_the_estimators_and_nothing_else(model_folder, tmp_path):
    (model_folder / FOLDS[0] / "predictions.csv").write_text("radiograph_id")
    target = tmp_path / "copy"
    target.mkdir()
    copy_estimators(model_folder, target, folds=FOLDS)
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    own = {f"{fold}/{name}" for fold in FOLDS for name in (WEIGHTS_FILE, STATE_FILE)}
    assert found == own | {shared_file(model_folder).name}
    shutil.rmtree(model_folder)
    assert [load_estimator(target / fold).record["fold"] for fold in FOLDS] == [0, 1, 2]
