"""Both detectors behind one contract; first weights; random changes keep boxes on their squares."""

import pytest
import torch
from safetensors.torch import save_file

from xattn_bmd import LocaliserConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.localise.detectors.changes import RandomChanges
from xattn_bmd.localise.detectors.detector import Boxes, Detector
from xattn_bmd.localise.detectors.light import PyramidTrunk
from xattn_bmd.localise.detectors.strong import BY_CLASS, strong_detector

LIGHT = LocaliserConfig(backbone="test_resnet", size=64, width=32)


@pytest.fixture(scope="module")
def strong():
    torch.manual_seed(0)
    detector = Detector(labels=2, config=LocaliserConfig(detector="strong", size=64))
    detector.network.rpn._post_nms_top_n = {"training": 16, "testing": 16}  # of 1000: most of the time of a small test
    return detector


@pytest.mark.parametrize("name", ["light", "strong"])
def test_labels_count_from_0_and_pictures_may_differ_in_size(name, strong):
    torch.manual_seed(0)
    detector = Detector(labels=2, config=LIGHT) if name == "light" else strong.train()
    pictures = [torch.rand(1, 64, 40), torch.rand(1, 48, 64)]
    truth = [Boxes(torch.tensor([[4.0, 4, 20, 30]]), torch.tensor([label])) for label in (0, 1)]
    loss = detector.loss(pictures, truth)
    loss.backward()
    assert torch.isfinite(loss) and any(value.grad is not None for value in detector.parameters())
    for boxes, picture in zip(detector.eval().find(pictures), pictures, strict=True):
        assert len(boxes.labels) == 0 or (boxes.labels.min() >= 0 and boxes.labels.max() <= 1)
        assert (boxes.corners <= torch.tensor([picture.shape[2], picture.shape[1]] * 2)).all()
        assert (boxes.corners >= 0).all()


def test_strong_weights_come_from_a_file_but_for_the_classes(tmp_path, strong):
    state = {name: value.to(torch.bfloat16) for name, value in strong.network.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    got = strong_detector(labels=1, weights=str(tmp_path / "w.safetensors"), size=64, floor=0.01).state_dict()
    assert all(
        torch.equal(got[name], state[name].to(got[name].dtype)) for name in state if not name.startswith(BY_CLASS)
    )
    assert got[f"{BY_CLASS}cls_score.weight"].shape[0] == 2


def test_strong_weights_that_do_not_fit(tmp_path, strong, monkeypatch):
    monkeypatch.setattr(
        "xattn_bmd.localise.detectors.strong.fasterrcnn_resnet50_fpn_v2", lambda **settings: strong.network
    )
    save_file({"other": torch.zeros(1)}, tmp_path / "o.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    for file, words in (("o", "are missing or of another shape"), ("cut", "must be whole"), ("no", "is neither")):
        with pytest.raises(ModelError, match=words):
            strong_detector(labels=1, weights=str(tmp_path / f"{file}.safetensors"), size=64, floor=0.01)


def test_the_trunk_of_a_detector_has_several_strides():
    assert PyramidTrunk(backbone="test_efficientnet", weights="none", width=32).strides[0] == 4
    with pytest.raises(ModelError, match="coarser step by step"):
        PyramidTrunk(backbone="test_vit", weights="none", width=32)


def test_boxes_stay_on_their_squares():
    changes = RandomChanges(LocaliserConfig(flip=0.5, scale=0.3, shift=0.2, contrast=0.0))
    torch.manual_seed(0)
    for _ in range(30):
        picture = torch.zeros(1, 80, 60)
        x, y = int(torch.randint(5, 35, ())), int(torch.randint(5, 50, ()))
        picture[:, y : y + 24, x : x + 18] = 1
        changed, boxes = changes(picture, Boxes(torch.tensor([[x, y, x + 18.0, y + 24]]), torch.tensor([0])))
        if not len(boxes.corners):
            continue
        rows, columns = torch.nonzero(changed[0] > 0.5, as_tuple=True)
        bright = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert (torch.stack(bright) - boxes.corners[0]).abs().max() <= 1.5


def test_no_change_is_no_change():
    still = RandomChanges(LocaliserConfig(flip=0.0, scale=0.0, shift=0.0, contrast=0.0))
    picture, boxes = torch.rand(1, 40, 40), Boxes(torch.tensor([[1.0, 2, 30, 40]]), torch.tensor([1]))
    changed, moved = still(picture, boxes)
    assert torch.equal(changed, picture) and torch.equal(moved.corners, boxes.corners)
