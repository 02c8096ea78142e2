"""The parts and sizes of the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xattn_bmd.config_losses import ClassHeadName, HeadName
from xattn_bmd.config_masks import MaskHeadName

Freeze = Literal["none", "layer3", "trunk"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Size of the networks; every fusion of a comparison gets the same one.

    ``key_value_updater`` and ``layer_weight`` switch off a part of cross-attention, to see what it is worth; ``xattn``,
    its halves ``image_to_record`` and ``record_to_image``, and ``residual_xattn`` read them, no other fusion does.

    Attributes:
        backbone: name of a timm model, which sees each slice of a CT volume (2.5-D), or ``"densenet121_3d"`` or the
            small ``"densenet_small_3d"``, which see the volume (extra ``ct``).
        weights: ``"none"``, ``"pretrained"`` (ImageNet; the extra of that name), ``"bone"`` (the bone encoder of this
            package, pretrained on simulated hips; for ``tf_efficientnet_lite0``), ``"hub"`` (timm's hub, needs to be
            online) or the path of a ``.safetensors`` file.
        freeze: ``"trunk"`` keeps the backbone's weights as they were loaded and trains what follows it; ``"layer3"``
            trains its last stage too (``layer4`` of a ResNet).
        width: token width ``D``.
        layers: cross-attention layers ``L``.
        heads: attention heads ``H``.
        dropout: dropout rate in fusion and head.
        head: ``"point"`` (density alone), ``"gaussian"`` (mean and SD; needs the loss ``gaussian_nll``) or
            ``"quantile"`` (5, 50 and 95 %; needs the loss ``pinball``); for classes ``"classes"`` (their
            probabilities) or ``"ordinal"`` (the same along one ordered score).
        key_value_updater: False makes keys and values anew from each layer's tokens; nothing is kept between layers.
        layer_weight: False reads the last layer alone in place of a learned mixture of all layers.
        image_dropout: share of the training radiographs whose picture is withheld, drawn anew in every epoch.  Above 0
            a learned token stands for a missing picture, and the model predicts from the record alone too.
        record_dropout: share whose whole record is withheld; above 0 the model predicts from the picture alone too.  A
            model of one input loses neither.
        variable_dropout: share of the clinical variables that are withheld, each for itself.
        mask_head: ``"unet"`` gives every model that sees the picture a U-Net decoder, which learns to segment the
            cohort's masks (clavicle, femoral neck) on the encoder that also feeds the fusion; ``"none"`` is the
            single-task twin.
        mask_width: channels of the decoder at full resolution; they double with every step down.
        class_head: ``"classes"`` or ``"ordinal"`` gives every network a second head on the fused vector, which learns
            the class of the density (normal, low or osteopenia, osteoporosis) at the cut-offs of the run's reference;
            ``"none"`` leaves the density alone.
    """

    backbone: str = "resnet34"
    weights: str = "none"
    freeze: Freeze = "none"
    width: int = 128
    layers: int = 3
    heads: int = 4
    dropout: float = 0.1
    head: HeadName = "point"
    key_value_updater: bool = True
    layer_weight: bool = True
    image_dropout: float = 0.0
    record_dropout: float = 0.0
    variable_dropout: float = 0.0
    mask_head: MaskHeadName = "none"
    mask_width: int = 16
    class_head: ClassHeadName = "none"
