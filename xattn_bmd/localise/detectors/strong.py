"""The strong detector: torchvision's Faster R-CNN v2 (Li et al. 2021) on a ResNet-50, for a GPU."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

from xattn_bmd.errors import ModelError

BY_CLASS = "roi_heads.box_predictor."
"""Beginning of the names of the weights that belong to classes, which a file of other classes cannot give."""


def strong_detector(*, labels: int, weights: str, size: int, floor: float) -> nn.Module:
    """Return a Faster R-CNN with classes ``1 ... labels``; 0 is background.  Nothing is downloaded.

    Args:
        labels: number of kinds of box.
        weights: ``"none"``, or a ``.safetensors`` file with torchvision's state dict of this model.
        size: longer side of the picture, pixels.
        floor: smallest score of a detection.

    Raises:
        ModelError: if the file cannot be read or does not fit.
    """
    detector: nn.Module = fasterrcnn_resnet50_fpn_v2(
        weights=None,
        weights_backbone=None,
        num_classes=labels + 1,
        min_size=size,
        max_size=size,
        box_score_thresh=floor,
    )
    if weights != "none":
        _fill(detector, Path(weights))
    return detector


def _fill(detector: nn.Module, path: Path) -> None:
    own = detector.state_dict()
    given = _read(path)
    wanted = {name: value for name, value in own.items() if not name.startswith(BY_CLASS)}
    wrong = [name for name, value in wanted.items() if name not in given or given[name].shape != value.shape]
    if wrong:
        raise ModelError(
            f"Weights of the strong detector are torchvision's fasterrcnn_resnet50_fpn_v2, but in {path.name} "
            f"{len(wrong)} are missing or of another shape {wrong[:2]}; save that model's state dict."
        )
    detector.load_state_dict(own | {name: given[name] for name in wanted})


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors" or not path.is_file():
        raise ModelError(
            f"Weights of the strong detector are 'none' or a .safetensors file, but {str(path)!r} is neither; mend the "
            "path."
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(f"A .safetensors file must be whole, but {path.name} is not; save it again.") from error
