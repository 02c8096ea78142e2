"""What each model that a comparison can name is, in plain words."""

from __future__ import annotations

from xattn_bmd.report.material import Material
from xattn_bmd.report.page import Block, Terms

MODEL_WORDS = {
    "xattn": "image patches read from the clinical variables and the variables from the patches: cross-attention in "
    "both directions",
    "image_to_record": "cross-attention in one direction: image patches read from the clinical variables",
    "record_to_image": "cross-attention in one direction: clinical variables read from the image patches",
    "attention_pooling": "record_to_image with learned queries: attention pools the image without asking the record",
    "residual_xattn": "concat, and what cross-attention adds to it through a gate that starts at zero",
    "concat": "image and clinical record side by side in one vector",
    "residual_concat": "concat in the frame of xattn: small residual steps and a linear reading, without attention",
    "gated": "a learned gate weighs the image against the clinical record (gated multimodal unit)",
    "film": "the clinical record scales and shifts what is seen in the image (FiLM)",
    "late": "mean of two predictions, one from the image and one from the clinical record",
    "image_only": "the image alone",
    "metadata_only": "the clinical record alone, with the networks' encoder and head",
    "ridge": "ridge regression on the clinical record",
    "boosted_trees": "boosted trees on the clinical record",
}
"""By name, as in the tables of a run."""


def model_words(material: Material) -> tuple[Block, ...]:
    """Return what each model of a run is; a table of another tool may use the same names for other models."""
    known = tuple((name, MODEL_WORDS[name]) for name in material.models if name in MODEL_WORDS)
    return (Terms(items=known),) if known and material.source.is_run else ()
