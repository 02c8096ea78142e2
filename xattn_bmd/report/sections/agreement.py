"""Agreement of predicted with measured density, and calibration, model by model."""

from __future__ import annotations

from xattn_bmd.report.figures.bland_altman import bland_altman
from xattn_bmd.report.figures.calibration_curve import calibration_curve
from xattn_bmd.report.figures.scatter import scatter
from xattn_bmd.report.material import Material, rows
from xattn_bmd.report.numbers import p_value
from xattn_bmd.report.page import Block, Gallery, Picture, Section, Table
from xattn_bmd.report.sections.grid import by_model

_BLAND_ALTMAN = ("bias", "sd_difference", "loa_low", "loa_high", "proportional_slope")
_CALIBRATION = ("calibration_in_the_large", "calibration_slope", "calibration_intercept")
_RECALIBRATED = ("recalibrated_mae", "recalibrated_rmse", "recalibrated_r2")


def section(material: Material) -> Section:
    """Return the section."""
    return Section(
        name="agreement",
        title="Agreement and calibration",
        parts=(
            Section(name="scatter", title="Predicted against measured density", blocks=(_scatters(material),)),
            Section(name="bland-altman", title="Bland–Altman", blocks=_bland_altman(material)),
            Section(name="calibration", title="Calibration", blocks=_calibration(material)),
        ),
    )


def _scatters(material: Material) -> Gallery:
    grid, reference, words = material.evidence.grid, material.source.reference, material.words
    return Gallery(
        pictures=tuple(
            Picture(
                name=f"scatter-{position}",
                caption=material.caption(
                    f"{model}: predicted against measured density, one point per {words.image}, with "
                    f"{words.scale.lines} ({reference.name})."
                ),
                label=f"Scatter of predicted against measured density, {model}",
                figure=scatter(grid, model=model, reference=reference, words=words),
            )
            for position, model in enumerate(material.models)
        )
    )


def _bland_altman(material: Material) -> tuple[Block, ...]:
    agreement = material.evidence.agreement
    caption = "Difference (predicted − measured density): bias and 95 % limits of agreement, with 95 % intervals."
    slopes = rows(agreement, metric="proportional_slope")
    tested = "; ".join(f"{row['model']} {p_value(row['p'])}" for row in slopes)
    notes = (
        "Proportional slope: change of the difference per unit of the mean of both; negative slopes are expected of "
        f"models that regress to the mean. p of slope 0: {tested}.",
    )
    table = by_model(material, agreement, _BLAND_ALTMAN, name="agreement", caption=caption, notes=notes)
    drawn = tuple(
        Picture(
            name=f"bland-altman-{position}",
            caption=material.caption(f"{model}: difference against the mean of both, bias and 95 % limits."),
            label=f"Bland-Altman plot, {model}",
            figure=bland_altman(material.evidence.grid, model=model, agreement=agreement, words=material.words),
        )
        for position, model in enumerate(material.models)
    )
    return table, Gallery(pictures=drawn)


def _calibration(material: Material) -> tuple[Block, ...]:
    agreement = material.evidence.agreement
    picture = Picture(
        name="calibration-curve",
        caption=material.caption(
            "Measured against predicted density in bins of the prediction, with 95 % intervals of each bin's mean; "
            "on the diagonal a model is calibrated."
        ),
        label="Calibration curves of the models",
        figure=calibration_curve(material.evidence.calibration_curve, models=material.models, words=material.words),
    )
    caption = "Calibration: measured density regressed on predicted density; ideal are 0, 1 and 0."
    table = by_model(material, agreement, _CALIBRATION, name="calibration", caption=caption)
    return picture, table, *_recalibrated(material)


def _recalibrated(material: Material) -> tuple[Table, ...]:
    found = material.evidence.agreement
    found = found[found["metric"].isin(_RECALIBRATED)]
    fitted = tuple(dict.fromkeys(str(on) for on in found["fitted_on"] if str(on) not in ("", "nan")))
    if found.empty:
        return ()
    caption = f"Errors after recalibration by a line that was fitted {material.fitted}."
    notes = tuple(f"Fitted on: {on}." for on in fitted)
    return (by_model(material, found, _RECALIBRATED, name="recalibrated", caption=caption, notes=notes),)
