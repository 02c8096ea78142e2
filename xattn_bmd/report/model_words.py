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
    "bilinear": "products of what is seen in the image with what the clinical record says (low-rank bilinear pooling)",
    "mixture": "one transformer in which image patches and clinical variables read from all of both together",
    "late": "mean of two predictions, one from the image and one from the clinical record",
    "image_only": "the image alone",
    "metadata_only": "the clinical record alone, with the networks' encoder and head",
    "ridge": "ridge regression on the clinical record",
    "boosted_trees": "boosted trees on the clinical record",
}
"""By name, as in the tables of a run."""

STACK_WORDS = "weighted mean of the models so named; in each fold the weights are fitted on its inner validation part"
OWN_WORDS = "a fusion that is no part of this package: the class of that name"


def model_words(material: Material) -> tuple[Block, ...]:
    """Return what each model of a run is; a table of another tool may use the same names for other models."""
    named = ((name, _words(name)) for name in material.models)
    known = tuple((name, words) for name, words in named if words)
    return (Terms(items=known),) if known and material.source.is_run else ()


def _words(name: str) -> str:
    if "+" in name:
        return STACK_WORDS
    return OWN_WORDS if "." in name else MODEL_WORDS.get(name, "")
