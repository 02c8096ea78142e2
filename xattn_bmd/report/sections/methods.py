"""How the numbers were made, in words."""

from __future__ import annotations

from xattn_bmd.models.volume_backbones import VOLUME_BACKBONES
from xattn_bmd.report.material import Material
from xattn_bmd.report.numbers import MINUS
from xattn_bmd.report.page import Bullets, Section


def section(material: Material) -> Section:
    """Return the section."""
    images = material.words.images
    texts = (
        *_data(material),
        *_volumes(material),
        *_image_encoder(material),
        _pooling(material),
        "Intervals are 95 % bias-corrected and accelerated (BCa) bootstrap intervals. Patients are drawn, each with "
        f"all {images} and repeats; models share the draws, so comparisons are paired. Models were not trained "
        "again in the draws: the intervals hold for these models and other patients, not for another training. Bands "
        "of curves are pointwise percentile intervals.",
        f"The positive class is always low density: {material.words.scale.positive_rule}. Predictions are "
        "called by the same rule as measurements; no threshold was tuned.",
        _fitted(material),
        "Groups with fewer than 10 patients are named, not scored. A dash stands for a number that does not exist; a "
        "note below the table says why.",
        "No figure here was corrected for looking at many of them, except where Holm is named.",
    )
    return Section(name="methods", title="Methods notes", blocks=(Bullets(items=texts),))


def _data(material: Material) -> tuple[str, ...]:
    source, images = material.source, material.words.images
    said = []
    if source.simulated:
        said.append(
            f"The {images} and records are simulated: they test methods and software and are no clinical evidence."
        )
    if source.simulated is None:
        said.append("The table does not say how the predictions were made, nor whether they are out of sample.")
    if source.protocol == "nested":
        said.append(
            "Nested protocol: early stopping and every other choice used an inner validation part of the training "
            "folds; nothing about the scored fold was used."
        )
    if source.optimistic:
        said.append(
            "Protocol 'paper': each checkpoint was chosen on the fold that is scored, so every number is optimistic."
        )
    return tuple(said)


def _volumes(material: Material) -> tuple[str, ...]:
    """Return how CT volumes became voxels and which network sees them; nothing of radiographs."""
    image = material.source.image_settings or {}
    if int(image.get("slices", 1)) == 1:
        return ()
    slices, rows, columns = (f"{side:g}" for side in image["spacing_mm"])
    low, high = (f"{end:g}".replace("-", MINUS) for end in image["hu_window"])
    said = (
        f"The middle {image['slices']} slices of {image['size']} × {image['size']} pixels of each CT volume, resampled "
        f"to {slices} mm between slices and {rows} × {columns} mm within; {low} and {high} HU are mapped to 0 and 1."
    )
    backbone = ((material.source.config or {}).get("model") or {}).get("backbone")
    seen = "sees the whole volume (3-D)" if backbone in VOLUME_BACKBONES else "sees each slice by itself (2.5-D)"
    return (f"{said} The encoder {backbone} {seen}." if backbone else said,)


def _image_encoder(material: Material) -> tuple[str, ...]:
    origin = material.source.image_encoder
    return (f"Image encoder: {origin}.",) if origin else ()


def _pooling(material: Material) -> str:
    if material.source.is_external:
        return (
            "External validation: the cohort took no part in development. The estimate is the mean of the fold models; "
            "nothing was fitted here."
        )
    return (
        f"Metrics are pooled over all scored folds: every {material.words.image} counts once; with several repeats of "
        "the cross-validation its contributions are averaged."
    )


def _fitted(material: Material) -> str:
    if material.source.is_external:
        return "Recalibration, risks, triage cut-offs and conformal widths are those of the development cohort."
    what = "Recalibration, risks, triage cut-offs and conformal widths were fitted without the fold that they score"
    if material.source.calibration is not None:
        return f"{what}: on what the fold's own model predicts for its inner validation part."
    return (
        f"{what}: on the predictions of the other folds. The models behind those had the scored "
        f"{material.words.images} in training, so this is weaker than rows kept aside (calibration.csv)."
    )
