"""What a report calls its images, and how it writes their densities: the one place that sections and figures ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.scale import AREAL, DensityScale, scale_of
from xattn_bmd.report.numbers import estimate, number
from xattn_bmd.report.page import Cell

RADIOGRAPH, VOLUME, IMAGE = "radiograph", "CT volume", "image"
"""What one image is called; the last where a source with densities of QCT does not say."""

_DENSITIES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "bias": "bias",
    "sd_difference": "SD of difference",
    "loa_low": "lower limit",
    "loa_high": "upper limit",
    "calibration_in_the_large": "calibration in the large",
    "calibration_intercept": "calibration intercept",
    "recalibrated_mae": "MAE",
    "recalibrated_rmse": "RMSE",
}
"""Metrics in the unit of density."""

_SQUARED = {"mse": "MSE"}

_PLAIN = {
    "r2": "R²",
    "pearson_r": "Pearson r",
    "spearman_r": "Spearman r",
    "ccc": "concordance",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "ppv": "PPV (precision)",
    "precision": "precision",
    "sensitivity": "sensitivity (recall)",
    "recall": "recall",
    "npv": "NPV",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "kappa": "kappa",
    "weighted_kappa": "weighted kappa",
    "proportional_slope": "proportional slope",
    "calibration_slope": "calibration slope",
    "recalibrated_r2": "R²",
    "decided": "decided",
    "rule_in": "ruled in (low)",
    "rule_out": "ruled out",
}

_AXES = {
    "r2": "R²",
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "pearson_r": "Pearson's r",
    "spearman_r": "Spearman's r",
    "ccc": "concordance correlation",
    "bias": "bias, predicted − measured",
    "auroc": "area under the ROC curve",
}
"""Longer names, for the axis of a figure."""

_PLACES = 3


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words and digits of one report.

    Attributes:
        image: what one image is called.
        scale: the unit of density; of a report of classes, which has no density, it is not read.
    """

    image: str = RADIOGRAPH
    scale: DensityScale = AREAL

    @property
    def images(self) -> str:
        """What several images are called."""
        return f"{self.image}s"

    @property
    def heading(self) -> str:
        """The same at the beginning of a sentence."""
        return f"{self.images[0].upper()}{self.images[1:]}"

    def label(self, metric: str) -> str:
        """Return the heading of a metric, with its unit.

        Example:
            >>> Words().label("mae"), Words().label("mse"), Words().label("ppv")
            ('MAE, g/cm²', 'MSE, (g/cm²)²', 'PPV (precision)')
        """
        if metric in _DENSITIES:
            return f"{_DENSITIES[metric]}, {self.scale.unit}"
        if metric in _SQUARED:
            return f"{_SQUARED[metric]}, {self.scale.squared}"
        return _PLAIN.get(metric, metric.replace("_", " "))

    def axis(self, metric: str) -> str:
        """Return what the axis of a metric is called, with its unit.

        Example:
            >>> Words().axis("bias"), Words().axis("r2")
            ('bias, predicted − measured (g/cm²)', 'R²')
        """
        name = _AXES.get(metric, metric)
        if metric in _SQUARED:
            return f"{name} ({self.scale.squared})"
        return f"{name} ({self.scale.unit})" if metric in _DENSITIES else name

    def places(self, metric: str) -> int:
        """Return the decimals of a metric."""
        if metric in _SQUARED:
            return self.scale.squared_decimals
        return self.scale.decimals if metric in _DENSITIES else _PLACES

    def estimate(self, row: Mapping[Any, Any]) -> Cell:
        """Return the cell of a row with ``value``, ``low`` and ``high``, with the decimals of its ``metric``.

        Example:
            >>> Words().estimate({"metric": "mse", "value": 0.012345, "low": 0.01, "high": 0.02})
            Cell(text='0.01235', detail='[0.01000, 0.02000]')
        """
        return estimate(row, digits=self.places(str(row.get("metric", ""))))

    def objective(self, name: str) -> str:
        """Return what a search makes small or large: ``mae``, ``mse`` or ``f1``.

        Example:
            >>> Words().objective("mae"), Words().objective("f1")
            ('MAE (g/cm²)', 'F1 at T < -1')
        """
        if name == "f1":
            return f"F1 at {self.scale.low}"
        return f"MSE ({self.scale.squared})" if name == "mse" else f"MAE ({self.scale.unit})"

    def density(self, value: float) -> str:
        """Return a density or an error of it, without its unit; a dash for NaN."""
        return number(value, digits=self.scale.decimals)

    def at(self, threshold: float) -> str:
        """Return a threshold of the tables as text.

        Example:
            >>> from xattn_bmd.bone.scale import VOLUMETRIC
            >>> Words().at(-2.5), Words(scale=VOLUMETRIC).at(-2.5)
            ('T = −2.5', '80 mg/cm³')
        """
        return self.scale.edges[threshold]

    def counted(self, images: int, patients: int) -> str:
        """Return the numbers that belong in every title.

        Example:
            >>> Words().counted(1, 1), Words(image=VOLUME).counted(233, 216)
            ('1 radiograph, 1 patient', '233 CT volumes, 216 patients')
        """
        return f"{images:,} {self.image}{'s' * (images != 1)}, {patients:,} patient{'s' * (patients != 1)}"

    def reason(self, text: str) -> str:
        """Return why a table has no value there, in the report's word for an image.

        Example:
            >>> Words(image=VOLUME).reason("no radiograph is predicted low")
            'no CT volume is predicted low'
        """
        return text.replace(RADIOGRAPH, self.image)

    def simulated(self) -> str:
        """Return the banner of a report of simulated images."""
        return f"SIMULATED {self.images}: these numbers say nothing about patients."


RADIOGRAPHS = Words()
"""Radiographs with areal densities."""


def words_of(reference: Reference, image: Mapping[str, Any] | None) -> Words:
    """Return the words of a run or a table of densities.

    Args:
        reference: that of the densities.
        image: settings of the images as ``config.yaml`` has them; None where the source does not say.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> words_of(QCT_SPINE, {"slices": 16}).images, words_of(QCT_SPINE, None).images
        ('CT volumes', 'images')
    """
    scale = scale_of(reference)
    if image is None:
        return Words(image=RADIOGRAPH if scale is AREAL else IMAGE, scale=scale)
    return Words(image=image_word(image), scale=scale)


def image_word(image: Mapping[str, Any]) -> str:
    """Return what an image is called that was read with these settings."""
    return VOLUME if int(image.get("slices", 1)) > 1 else RADIOGRAPH
