"""The whole network: encode the image, encode the record, fuse, predict a density or classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.averaging import read_fused
from xattn_bmd.models.fusion import Attention, Fusion, parameter_count
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.fusions.backbone_names import model_config
from xattn_bmd.models.fusions.named import fusion_named
from xattn_bmd.models.heads import Head, build_class_head, build_head
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.models.mask_head import UNetMaskHead
from xattn_bmd.models.metadata import VariableEncoder
from xattn_bmd.types import Variables, VariableSchema

_ENCODER = "image_encoder."


class Output(NamedTuple):
    """What a network predicts.

    Attributes:
        density: ``(B,)`` g/cm²; NaN from a head of classes.
        attention: attention between image and record, or None for a fusion without any.
        sd: ``(B,)`` g/cm² of a Gaussian head, or None.
        quantiles: ``(B, 3)`` g/cm², 5, 50 and 95 % of a quantile head, or None.
        mask: ``(B, 1, H, W)`` logits of a mask head that was asked for them, or None.
        log_probabilities: ``(B, K)`` of a head of classes, or None.
        class_log_probabilities: ``(B, 3)`` of a class head beside that of the density, or None.
    """

    density: Tensor
    attention: Attention | None
    sd: Tensor | None = None
    quantiles: Tensor | None = None
    mask: Tensor | None = None
    log_probabilities: Tensor | None = None
    class_log_probabilities: Tensor | None = None


class FusionNetwork(nn.Module):
    """Image encoder, variable encoder, fusion and head; an encoder that the fusion does not use is None.

    Built by :func:`build_network`.  In evaluation mode the prediction for a patient is the same alone and in any batch.

    Args:
        image_encoder: ``(B, 1, H, W)``, or the ``S`` slices of volumes, → ``(B, P, D)``.
        variable_encoder: :class:`~xattn_bmd.types.Variables` → ``(B, V, D)``.
        fusion: tokens → ``(B, D)``, once or twice.
        head: ``(B, D)`` → :class:`~xattn_bmd.models.heads.Estimate`; the mean of two where the fusion gives two.
        stand_in: whether a learned token ``(D,)``, the same at every patch, stands for the image where there is none.

    Attributes:
        mask_head: the trunk's maps → logits of a mask; None for a network without one.
        class_head: ``(B, D)`` → the classes of the density, beside ``head``; None for a network without one.
    """

    stand_in: nn.Parameter | None

    def __init__(
        self,
        *,
        image_encoder: ImageEncoder | None,
        variable_encoder: VariableEncoder | None,
        fusion: Fusion,
        head: Head,
        stand_in: bool = False,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.variable_encoder = variable_encoder
        self.fusion = fusion
        self.head = head
        self.register_parameter("stand_in", nn.Parameter(0.5 * torch.randn(fusion.width)) if stand_in else None)
        self.mask_head: UNetMaskHead | None = None
        self.class_head: Head | None = None

    def forward(
        self,
        image: Tensor | None,
        variables: Variables,
        features: Tensor | None = None,
        no_image: Tensor | None = None,
        *,
        with_mask: bool = False,
    ) -> Output:
        """Predict the density, or the classes, of each patient.

        Args:
            image: ``(B, 1, H, W)`` in 0-1, bone bright, or ``(B, S, H, W)`` of CT volumes; may be None for a fusion
                that uses no image.
            variables: the encoded clinical record of the same patients.
            features: ``(B, C, h, w)`` what :meth:`~xattn_bmd.models.image.ImageEncoder.features` made of the image, in
                its place, where it was stored before.
            no_image: ``(B,)`` bool, True where the image, which may hold anything, is to be taken for missing; None
                where each patient has one.
            with_mask: whether the mask head is run too, on the image, which must then be given.

        Raises:
            ModelError: if the fusion needs an image and none was given, or the network knows no missing image or has no
                mask head.
        """
        image_BPD = mask_B1HW = None
        if with_mask:
            image_BPD, mask_B1HW = self._tokens_and_mask(_given(image))
        elif self.image_encoder is not None:
            image_BPD = self._image_tokens(image, features)
        if image_BPD is not None and no_image is not None:
            image_BPD = torch.where(no_image[:, None, None], self._known_stand_in().to(image_BPD), image_BPD)
        variables_BVD = None if self.variable_encoder is None else self.variable_encoder(variables)
        fused = self.fusion(image_BPD, variables_BVD)
        density_B, sd_B, quantiles_B3, log_BK = read_fused(self.head, fused)
        class_log_B3 = None if self.class_head is None else read_fused(self.class_head, fused).log_probabilities
        return Output(density_B, fused.attention, sd_B, quantiles_B3, mask_B1HW, log_BK, class_log_B3)

    def segment(self, image: Tensor) -> Tensor:
        """Return the probability ``(B, 1, H, W)`` that each pixel of some images lies inside the mask.

        Args:
            image: ``(B, 1, H, W)`` in 0-1, bone bright.

        Raises:
            ModelError: if the network has no mask head.
        """
        return self._tokens_and_mask(image)[1].sigmoid()

    def _image_tokens(self, image: Tensor | None, features: Tensor | None) -> Tensor:
        assert self.image_encoder is not None
        if features is not None:
            return self.image_encoder.tokens(features)
        tokens_BPD: Tensor = self.image_encoder(_given(image))
        return tokens_BPD

    def _tokens_and_mask(self, image_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        if self.image_encoder is None or self.mask_head is None:
            raise ModelError(
                "A mask comes from a network with a mask head, but this one was built without; build and train it "
                "with model.mask_head='unet'."
            )
        maps_BChw = self.image_encoder.maps(image_B1HW)
        return self.image_encoder.last_tokens(maps_BChw[-1]), self.mask_head(image_B1HW, maps_BChw)

    def _known_stand_in(self) -> Tensor:
        if self.stand_in is None:
            raise ModelError(
                "This network has learnt nothing that stands for a missing image, but one was said to be missing; "
                "build and train it with model.image_dropout above 0."
            )
        return self.stand_in


def build_network(
    *,
    fusion: str | type[Fusion],
    schema: VariableSchema,
    config: ModelConfig,
    target_mean: float = 0.0,
    target_sd: float = 1.0,
    class_shares: Sequence[float] = (),
    weights_follow: bool = False,
) -> FusionNetwork:
    """Return a new network; its weights follow torch's current seed.

    Args:
        fusion: a name in :data:`~xattn_bmd.models.fusions.FUSIONS`, ``package.module.ClassName`` of your own class
            (:mod:`~xattn_bmd.models.fusions.named`), either with ``@BACKBONE`` behind it, or a class.
        schema: the clinical variables.
        config: backbone, sizes and head.
        target_mean: mean density of the training folds, g/cm²; not read by a head of classes.
        target_sd: standard deviation of the density of the training folds, g/cm²; as the mean.
        class_shares: share of each class in the training folds, in the order of the classes; read by a head of classes,
            and by a class head beside that of a density.
        weights_follow: True where the caller loads all weights afterwards, so that a frozen trunk may be new.

    Raises:
        ModelError: if a name is unknown, a frozen trunk has no weights, a size does not fit, or weights cannot be had.

    Example:
        >>> import torch
        >>> schema = VariableSchema(numeric=("age", "bmi"), categorical=(("sex", ("female", "male")),))
        >>> config = ModelConfig(backbone="test_resnet", width=16)
        >>> network = build_network(fusion="xattn", schema=schema, config=config, target_mean=0.88, target_sd=0.147)
        >>> code, missing = torch.ones(2, 1, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.bool)
        >>> output = network(torch.rand(2, 1, 64, 64), Variables(torch.zeros(2, 2), code, missing))
        >>> output.density.shape, output.attention.variables_to_image.shape
        (torch.Size([2]), torch.Size([2, 3, 4, 3, 4]))
    """
    kind = fusion_named(fusion) if isinstance(fusion, str) else fusion
    config = model_config(fusion, config) if isinstance(fusion, str) else config
    if kind.uses_variables and len(schema.names) < kind.fewest_variables:
        raise ModelError(
            f"The fusion {fusion!r} needs at least {kind.fewest_variables} clinical variables, but {len(schema.names)} "
            "was declared; declare more, or use image_only."
        )
    image_encoder = variable_encoder = None
    if kind.uses_image:
        if config.freeze != "none" and not weights_follow:
            _require_weights(config)
        image_encoder = _image_encoder(config)
    if kind.uses_variables:
        variable_encoder = VariableEncoder(schema, width=config.width, dropout=config.dropout)
    head = build_head(config, target_mean=target_mean, target_sd=target_sd, class_shares=class_shares)
    network = FusionNetwork(
        image_encoder=image_encoder,
        variable_encoder=variable_encoder,
        fusion=kind(config),
        head=head,
        stand_in=kind.uses_image and kind.uses_variables and config.image_dropout > 0,
    )
    # made last: the twin without them begins with the same weights
    network.mask_head = _mask_head(image_encoder, config)
    network.class_head = build_class_head(config, class_shares=class_shares)
    return network


@lru_cache(maxsize=8)
def frozen_names(config: ModelConfig) -> frozenset[str]:
    """Return the names of the parameters and buffers that training never changes, in every network that sees images.

    Args:
        config: settings of the networks.

    Returns:
        names as in the network's state dict; none where nothing is frozen.

    Example:
        >>> names = frozen_names(ModelConfig(backbone="test_resnet", freeze="layer3"))
        >>> any(".layer3." in name for name in names), any(".layer4." in name for name in names)
        (True, False)
    """
    if config.freeze == "none":
        return frozenset()
    with torch.random.fork_rng(devices=[]):
        encoder = _image_encoder(replace(config, weights="none"))
    return frozenset(_ENCODER + name for name in encoder.frozen_names())


def fusion_parameters(network: FusionNetwork) -> int:
    """Return the number of learned values in the fusion part, without encoders and head."""
    return parameter_count(network.fusion)


def capacity_table(config: ModelConfig, *, fusions: Iterable[str] = FUSIONS) -> dict[str, int]:
    """Return the number of learned values in the fusion part of some fusions.

    Args:
        config: the configuration that they share.
        fusions: their names; all of this package unless stated.

    Raises:
        ModelError: if there is none of a name.

    Example:
        >>> table = capacity_table(ModelConfig(width=64))
        >>> all(abs(count / table["xattn"] - 1) <= 0.1 for count in table.values())
        True
    """
    return {name: parameter_count(fusion_named(name)(config)) for name in fusions}


def _require_weights(config: ModelConfig) -> None:
    if config.weights == "none":
        raise ModelError(
            "A frozen trunk needs weights that were trained before, but weights='none' was given with "
            f"freeze={config.freeze!r}; name weights, or do not freeze."
        )


def _image_encoder(config: ModelConfig) -> ImageEncoder:
    return ImageEncoder(backbone=config.backbone, weights=config.weights, width=config.width, freeze=config.freeze)


def _mask_head(encoder: ImageEncoder | None, config: ModelConfig) -> UNetMaskHead | None:
    if encoder is None or config.mask_head == "none":
        return None
    if encoder.sees_volumes:
        raise ModelError(
            f"A mask head draws on radiographs, but the backbone {config.backbone!r} sees CT volumes; choose a timm "
            "model, or model.mask_head='none'."
        )
    return UNetMaskHead(encoder.trunk, backbone=config.backbone, width=config.mask_width)


def _given(image: Tensor | None) -> Tensor:
    if image is None:
        raise ModelError(
            "This network looks at radiographs, but none was given; pass the image, or train metadata_only."
        )
    return image
