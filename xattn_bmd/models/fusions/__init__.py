"""The fusions by name; a new one is a file in this folder and a line in this dictionary."""

from __future__ import annotations

from xattn_bmd.models.fusion import Fusion
from xattn_bmd.models.fusions.attention_pooling import AttentionPoolingFusion
from xattn_bmd.models.fusions.bilinear import BilinearFusion
from xattn_bmd.models.fusions.concat import ConcatFusion
from xattn_bmd.models.fusions.film import FilmFusion
from xattn_bmd.models.fusions.gated import GatedFusion
from xattn_bmd.models.fusions.image_only import ImageOnlyFusion
from xattn_bmd.models.fusions.image_to_record import ImageToRecordFusion
from xattn_bmd.models.fusions.late import LateFusion
from xattn_bmd.models.fusions.metadata_only import MetadataOnlyFusion
from xattn_bmd.models.fusions.mixture import MixtureFusion
from xattn_bmd.models.fusions.record_to_image import RecordToImageFusion
from xattn_bmd.models.fusions.residual_concat import ResidualConcatFusion
from xattn_bmd.models.fusions.residual_xattn import ResidualCrossAttentionFusion
from xattn_bmd.models.fusions.xattn import CrossAttentionFusion

FUSIONS: dict[str, type[Fusion]] = {
    "xattn": CrossAttentionFusion,
    "image_to_record": ImageToRecordFusion,
    "record_to_image": RecordToImageFusion,
    "attention_pooling": AttentionPoolingFusion,
    "residual_xattn": ResidualCrossAttentionFusion,
    "concat": ConcatFusion,
    "residual_concat": ResidualConcatFusion,
    "gated": GatedFusion,
    "film": FilmFusion,
    "bilinear": BilinearFusion,
    "mixture": MixtureFusion,
    "late": LateFusion,
    "image_only": ImageOnlyFusion,
    "metadata_only": MetadataOnlyFusion,
}
