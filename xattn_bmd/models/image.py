"""The image encoder: a trunk whose last feature map becomes tokens.

Axes: ``B`` patients, ``S`` slices (1 of a radiograph), ``H, W`` rows and columns, ``C, s, h, w`` channels, slices, rows
and columns of a feature map, ``P = s · h · w`` patches, ``D`` token width.
"""

from __future__ import annotations

import difflib
import math
from typing import Any, cast

import timm
import torch
from timm.models import is_model_in_modules
from torch import Tensor, nn

from xattn_bmd.config import Freeze
from xattn_bmd.errors import ModelError
from xattn_bmd.models.stages import all_maps, front_map, last_map, last_stage, run_in_turn
from xattn_bmd.models.volume_backbones import VOLUME_BACKBONES
from xattn_bmd.models.volume_trunk import VolumeTrunk
from xattn_bmd.models.weights import load_weights

POSITION_SCALE = 0.1


class ImageEncoder(nn.Module):
    """Last feature map of a trunk → 1x1 projection → layer normalisation → plus position.

    A CT volume is an image of ``S`` slices.  The trunks of
    :data:`~xattn_bmd.models.volume_backbones.VOLUME_BACKBONES` see it in three dimensions; any timm model sees each
    slice as a picture of its own (2.5-D), and the slices meet in the fusion, whose tokens say where they lie.

    Grey levels in 0-1 are standardised with the mean and SD (averaged over RGB) that the trunk's published weights
    expect; both are saved with the network.  The position is a fixed sine-cosine code of row and column, and
    of slice in a volume, so that any grid works, times one learned scale that starts at 0.1.

    What is frozen keeps its weights and batch-norm statistics.  The map behind it never changes in training, so it may
    be stored: :meth:`features` makes it and :meth:`tokens` goes on from there.

    Shape:
        ``(B, S, H, W)`` in 0-1 → tokens ``(B, P, D)``, slice by slice, row by row.

    Args:
        backbone: name of a timm model (convolutional, or a plain vision transformer), or of a trunk in 3-D.
        weights: see :class:`~xattn_bmd.config.ModelConfig`.
        width: token width ``D``, a multiple of 4; at least 8 for volumes.
        freeze: ``"trunk"`` freezes the whole trunk, ``"layer3"`` all but its last stage, ``"none"`` nothing.

    Raises:
        ModelError: if the backbone is unknown or gives no feature map, if the weights cannot be had, if the width is
            not a multiple of 4, if the trunk's last stage cannot be trained alone, or, when called, if the image is so
            small that it gives fewer than 2 patches.

    Example:
        >>> encoder = ImageEncoder(backbone="test_resnet", weights="none", width=16)
        >>> encoder(torch.rand(2, 1, 64, 96)).shape
        torch.Size([2, 6, 16])
        >>> encoder(torch.rand(2, 8, 64, 96)).shape
        torch.Size([2, 48, 16])
    """

    trunk: Any
    grey_mean: Tensor
    grey_sd: Tensor

    def __init__(self, *, backbone: str, weights: str, width: int, freeze: Freeze = "none") -> None:
        super().__init__()
        if width < 4 or width % 4:
            raise ModelError(f"The token width is a multiple of 4, but {width} was given; choose 64 or 128, say.")
        self.trunk = build_trunk(backbone, weights=weights)
        self.freeze = freeze
        # a tuple, so that the trunk's modules are not registered twice
        self._rest = last_stage(self.trunk, backbone=backbone) if freeze == "layer3" else ()
        self.trunk.requires_grad_(freeze == "none")
        for module in self._rest:
            module.requires_grad_(True)
        channels = int(self.trunk.feature_info[-1]["num_chs"])
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        self.norm = nn.LayerNorm(width)
        self.position_scale = nn.Parameter(torch.tensor(POSITION_SCALE))
        self.register_buffer("grey_mean", torch.tensor(self.trunk.pretrained_cfg["mean"]).mean())
        self.register_buffer("grey_sd", torch.tensor(self.trunk.pretrained_cfg["std"]).mean())

    def train(self, mode: bool = True) -> ImageEncoder:
        """Switch to training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.freeze != "none":
            self.trunk.eval()
        for module in self._rest:
            module.train(mode)
        return self

    def frozen_names(self) -> frozenset[str]:
        """Return the names of the frozen parameters and buffers, as in the state dict."""
        if self.freeze == "none":
            return frozenset()
        trained = {id(value) for module in self._rest for value in module.state_dict(keep_vars=True).values()}
        everything = self.trunk.state_dict(keep_vars=True, prefix="trunk.")
        return frozenset(name for name, value in everything.items() if id(value) not in trained)

    @property
    def sees_volumes(self) -> bool:
        """Whether the trunk works in three dimensions."""
        return isinstance(self.trunk, VolumeTrunk)

    def features(self, image_BSHW: Tensor) -> Tensor:
        """Return the map that may be stored: of the frozen part, else the trunk's last one.

        ``(B, C, h, w)`` of radiographs, ``(B, C, s, h, w)`` of volumes; ``s`` is ``S`` where each slice is seen alone.
        """
        standardised = (image_BSHW - self.grey_mean) / self.grey_sd
        if self.sees_volumes:
            volume_map: Tensor = self.trunk(standardised[:, None])
            return volume_map
        made = front_map if self._rest else last_map
        slices = image_BSHW.shape[1]
        if slices == 1:
            return made(self.trunk, standardised)
        return _slices_apart(made(self.trunk, standardised.flatten(0, 1)[:, None]), slices)

    def forward(self, image_BSHW: Tensor) -> Tensor:
        """Return the tokens ``(B, P, D)``."""
        return self.tokens(self.features(image_BSHW))

    def tokens(self, features: Tensor) -> Tensor:
        """Return the tokens ``(B, P, D)`` of the map that :meth:`features` makes."""
        if not self._rest or features.ndim == 4:
            return self.last_tokens(run_in_turn(self._rest, features))
        each = run_in_turn(self._rest, features.transpose(1, 2).flatten(0, 1))
        return self.last_tokens(_slices_apart(each, features.shape[2]))

    def maps(self, image_B1HW: Tensor) -> list[Tensor]:
        """Return all maps of the trunk ``(B, C, h, w)``, finest first, for a mask head."""
        return all_maps(self.trunk, (image_B1HW - self.grey_mean) / self.grey_sd)

    def last_tokens(self, features: Tensor) -> Tensor:
        """Return the tokens ``(B, P, D)`` of the trunk's last map ``(B, C, h, w)`` or ``(B, C, s, h, w)``."""
        patches = math.prod(features.shape[2:])
        if patches < 2:
            raise ModelError(f"An image gives at least 2 patches, but this one gave {patches}; use a larger image.")
        # the slices of a volume one below the other: for the projection, each place is alone
        map_BChw = features.flatten(2, 3) if features.ndim == 5 else features
        tokens_BPD: Tensor = self.norm(self.project(map_BChw).flatten(2).transpose(1, 2))
        position_PD = _position(features.shape[2:], tokens_BPD)
        return tokens_BPD + self.position_scale * position_PD


def build_trunk(backbone: str, *, weights: str) -> nn.Module:
    """Return a trunk for one grey channel, cut down to what its last feature map needs.

    Raises:
        ModelError: if the name is unknown, gives no feature map, or its weights cannot be had.
    """
    if backbone in VOLUME_BACKBONES:
        volume_trunk = VolumeTrunk(backbone)
        load_weights(volume_trunk, backbone=backbone, weights=weights)
        return volume_trunk
    if not timm.is_model(backbone):
        near = difflib.get_close_matches(backbone, [*VOLUME_BACKBONES, *timm.list_models()], n=3) or ["resnet34"]
        raise ModelError(
            f"A backbone is the name of a timm model, but {backbone!r} was given; did you mean {', '.join(near)}?"
        )
    # Other transformers have one fixed image size; a plain vision transformer can resample its positions.
    any_size: dict[str, Any] = {}
    if is_model_in_modules(backbone, {"vision_transformer"}):
        any_size = {"dynamic_img_size": True}
    trunk: Any = timm.create_model(backbone, pretrained=False, in_chans=1, num_classes=0, **any_size)
    if not hasattr(trunk, "prune_intermediate_layers"):
        raise ModelError(
            f"A backbone gives a feature map, but {backbone!r} gives none in this timm; choose a convolutional one."
        )
    load_weights(trunk, backbone=backbone, weights=weights)
    trunk.prune_intermediate_layers(1, prune_norm=True, prune_head=True)
    return cast(nn.Module, trunk)


def grid_position(rows: int, columns: int, *, depth: int, device: torch.device | None = None) -> Tensor:
    """Return the 2-D sine-cosine code of a grid (Dosovitskiy et al. 2021): half for the row, half for the column.

    Args:
        rows: rows of the grid.
        columns: columns of the grid.
        depth: length of a code, a multiple of 4.
        device: where to make it.

    Returns:
        ``(rows · columns, depth)``, row by row.

    Example:
        >>> grid_position(2, 3, depth=8).shape
        torch.Size([6, 8])
    """
    frequency = 100.0 ** -(torch.arange(depth // 4, device=device) / (depth // 4))
    down = torch.outer(torch.arange(rows, device=device).float(), frequency)
    along = torch.outer(torch.arange(columns, device=device).float(), frequency)
    row_code = torch.cat([down.sin(), down.cos()], dim=-1).unsqueeze(1).expand(-1, columns, -1)
    column_code = torch.cat([along.sin(), along.cos()], dim=-1).unsqueeze(0).expand(rows, -1, -1)
    return torch.cat([row_code, column_code], dim=-1).flatten(0, 1)


def volume_position(slices: int, rows: int, columns: int, *, depth: int, device: torch.device | None = None) -> Tensor:
    """Return the 3-D sine-cosine code of a grid: a third each for slice, row and column, zeros where that leaves some.

    Args:
        slices: slices of the grid.
        rows: rows of the grid.
        columns: columns of the grid.
        depth: length of a code, at least 8.
        device: where to make it.

    Returns:
        ``(slices · rows · columns, depth)``, slice by slice, row by row.

    Raises:
        ModelError: if the code is too short.

    Example:
        >>> volume_position(4, 2, 3, depth=16).shape
        torch.Size([24, 16])
    """
    if depth < 8:
        raise ModelError(f"The token width of a volume is at least 8, but {depth} was given; choose 64 or 128, say.")
    frequency = 100.0 ** -(torch.arange(depth // 6, device=device) / (depth // 6))
    places = torch.cartesian_prod(*(torch.arange(side, device=device) for side in (slices, rows, columns)))
    angle = places[:, :, None] * frequency
    code = torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(1)
    return nn.functional.pad(code, (0, depth - code.shape[1]))


def _position(grid: torch.Size, tokens_BPD: Tensor) -> Tensor:
    depth, device = tokens_BPD.shape[-1], tokens_BPD.device
    if len(grid) == 2:
        return grid_position(grid[0], grid[1], depth=depth, device=device)
    return volume_position(grid[0], grid[1], grid[2], depth=depth, device=device)


def _slices_apart(map_BSChw: Tensor, slices: int) -> Tensor:
    """Return maps ``(B · S, C, h, w)`` of single slices as ``(B, C, S, h, w)``."""
    return map_BSChw.reshape(-1, slices, *map_BSChw.shape[1:]).transpose(1, 2)
