"""The fusions by name; a new one is a file in this folder and a line in this dictionary."""

from __future__ import annotations

from xattn_bmd.models.fusion import Fusion
from xattn_bmd.models.fusions.concat import ConcatFusion
from xattn_bmd.models.fusions.image_only import ImageOnlyFusion
from xattn_bmd.models.fusions.metadata_only import MetadataOnlyFusion
from xattn_bmd.models.fusions.xattn import CrossAttentionFusion

FUSIONS: dict[str, type[Fusion]] = {
    "xattn": CrossAttentionFusion,
    "concat": ConcatFusion,
    "image_only": ImageOnlyFusion,
    "metadata_only": MetadataOnlyFusion,
}
