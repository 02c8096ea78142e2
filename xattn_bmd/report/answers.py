"""What a run can say about the items of a reporting checklist; empty where it does not know."""

from __future__ import annotations

from typing import Any

from xattn_bmd.report.material import Material
from xattn_bmd.report.words import VOLUME

_MODELS = "See Comparison of models"


def aim(material: Material) -> str:
    """Return what was done with how many models."""
    unit, images = material.words.scale.unit, material.words.images
    return f"Estimation of density in {unit}, {len(material.models)} models evaluated on the same {images}."


def data(material: Material) -> str:
    """Return where the data come from, as far as a run knows."""
    said = f"Simulated {material.words.images} and records; they represent no population."
    return said if material.source.simulated else ""


def sites(material: Material) -> str:
    """Return the sites that the table names."""
    names = sorted(set(material.evidence.grid.sites.tolist()) - {""})
    return f"Sites in the table: {', '.join(names)}." if names else ""


def preparation(material: Material) -> str:
    """Return how images were prepared."""
    if material.words.image == VOLUME:
        return "See Methods notes."
    image = _part(material, "image")
    return f"Images: {_listed(image)}." if image else ""


def outcome(material: Material) -> str:
    """Return what was predicted."""
    target = material.source.roles.get("target") or {}
    column = f"Column {target['column']}, {target.get('unit', '')}. " if target.get("column") else ""
    reference, lines = material.source.reference, material.words.scale.lines
    cut = f"{lines[0].upper()}{lines[1:]} by {reference.name} ({reference.source})"
    return f"{column}{cut}. How it was measured is for the author."


def predictors(material: Material) -> str:
    """Return the clinical variables that were declared."""
    roles = material.source.roles
    names = [*(roles.get("numeric") or ()), *(roles.get("categorical") or ())]
    return f"Declared before modelling: {', '.join(names)}; the {material.words.image}." if names else ""


def units(material: Material) -> str:
    """Return the units of the numeric variables."""
    numeric = material.source.roles.get("numeric") or {}
    known = [f"{name} ({role['unit']})" for name, role in numeric.items() if role and role.get("unit")]
    return f"{', '.join(known)}." if known else ""


def size(material: Material) -> str:
    """Return how many were scored, and where the criteria are."""
    where = "" if material.evidence.sample_size.empty else " Criteria: What this cohort could have shown."
    return f"{material.counted}.{where}"


def missing(material: Material) -> str:
    """Return how missing values were dealt with."""
    if not material.source.is_run:
        return ""
    image = material.words.image
    return f"A missing clinical value is a learned token in networks; every model predicts every {image}."


def division(material: Material) -> str:
    """Return the fold plan in a sentence."""
    plan = material.source.plan
    if plan is None:
        grid = material.evidence.grid
        return f"{len(grid.fold_labels)} folds, {len(grid.repeat_labels)} repeats in the table."
    return f"{plan.get('made_by', 'A stored plan')}; hash {str(plan.get('hash', ''))[:12]}. See Fold plan."


def disjoint(material: Material) -> str:
    """Return at which level the folds are disjoint, which reading the table has checked."""
    single = len(material.evidence.grid.fold_labels) == 1
    return "" if single else "Patient: no patient lies in two folds of a repeat (checked)."


def scaling(material: Material) -> str:
    """Return how variables were scaled."""
    if not material.source.is_run:
        return ""
    return "Numbers are standardised and categories coded on training folds only."


def building(material: Material) -> str:
    """Return the training settings."""
    training = _part(material, "training")
    return f"{_listed(training)}. See Configuration." if training else ""


def clusters(material: Material) -> str:
    """Return how several images of a patient were dealt with."""
    return "Folds and bootstrap are by patient." + (" Sites: see Subgroups." if _has_groups(material) else "")


def measures(material: Material) -> str:
    """Return what was measured."""
    return (
        "Errors, agreement, calibration, discrimination, classes, triage, net benefit, interval coverage; models are "
        "compared in pairs on the same patients. See Methods notes."
    )


def intervals(material: Material) -> str:
    """Return how uncertainty was computed."""
    return "Patient bootstrap (BCa) for intervals; several paired tests with Holm's adjustment. See Methods notes."


def recalibration(material: Material) -> str:
    """Return what was recalibrated."""
    return "A line, fitted without the scored fold; shown beside the models as they are. See Calibration."


def predicting(material: Material) -> str:
    """Return how predictions were computed."""
    said = f"By the stored fold models, for {material.words.images} that they were not trained on."
    return said if material.source.is_run else ""


def imbalance(material: Material) -> str:
    """Return the weighting of the loss."""
    training = _part(material, "training")
    return f"Loss {training.get('loss')}, weighting {training.get('weighting')}; see Calibration." if training else ""


def fairness(material: Material) -> str:
    """Return where errors by group are."""
    return "Errors and sensitivity by group: see Subgroups. What follows from them is for the author." * _has_groups(
        material
    )


def output(material: Material) -> str:
    """Return what the models give."""
    scale = material.words.scale
    if scale.has_t_scores:
        kind = f"{scale.lines.removesuffix('s')} and {scale.class_kind}; thresholds −1 and −2.5 are those of the WHO"
        return f"Density in {scale.unit}, {kind} and were not tuned."
    return f"Density in {scale.unit} and {scale.class_kind}; the cut-offs {scale.cut_offs} were not tuned."


def code(material: Material) -> str:
    """Return what computed the numbers."""
    packages = (material.source.environment or {}).get("packages") or {}
    return f"xattn-bmd {packages['xattn-bmd']}." if "xattn-bmd" in packages else "xattn-bmd computed this report."


def software(material: Material) -> str:
    """Return the versions of the packages."""
    packages = (material.source.environment or {}).get("packages") or {}
    return f"{_listed(packages)}." if packages else ""


def flow(material: Material) -> str:
    """Return where the flow is."""
    return f"See Flow of {material.words.images}."


def table1(material: Material) -> str:
    """Return where the characteristics are."""
    return "" if material.evidence.table1.empty else "See Cohort."


def numbers(material: Material) -> str:
    """Return the numbers analysed."""
    words, mean = material.words, float(material.evidence.grid.target.mean())
    return f"{material.counted}; mean density {words.density(mean)} {words.scale.unit}. Counts stand with every table."


def model(material: Material) -> str:
    """Return where the models are."""
    settings = _part(material, "model")
    return f"{_listed(settings)}. Weights are stored in the run folder." if settings else ""


def performance(material: Material) -> str:
    """Return where performance is."""
    return f"{_MODELS}, Agreement and calibration, Screening" + (", Subgroups." if _has_groups(material) else ".")


def heterogeneity(material: Material) -> str:
    """Return where differences between groups are."""
    return "Within sites and groups: see Subgroups." if _has_groups(material) else ""


def updated(material: Material) -> str:
    """Return where recalibrated errors are."""
    return "Errors after recalibration: see Calibration."


def limits(material: Material) -> str:
    """Return the limits that the run itself knows."""
    said = ["Simulated data."] if material.source.simulated else []
    said += ["Checkpoints were chosen on scored folds: optimistic."] if material.source.optimistic else []
    criteria = material.evidence.sample_size
    if not criteria.empty and not criteria["met"].all():
        said.append("Fewer patients than the sample-size criteria ask for.")
    return " ".join(said)


def initialisation(material: Material) -> str:
    """Return the weights that training began with."""
    origin = material.source.image_encoder
    return f"Image encoder: {origin}." if origin else ""


def choice(material: Material) -> str:
    """Return how checkpoints were chosen."""
    words = {
        "nested": "By an inner validation part of the training folds.",
        "paper": "On the scored fold, which is optimistic.",
    }
    return words.get(material.source.protocol or "", "")


def explanation(material: Material) -> str:
    """Return what is stored for explanation."""
    return "" if material.source.attention is None else "Attention weights, not checked against anatomy here."


def _has_groups(material: Material) -> bool:
    return not material.evidence.subgroups.empty


def _part(material: Material, name: str) -> dict[str, Any]:
    return dict((material.source.config or {}).get(name) or {})


def _listed(values: dict[str, Any]) -> str:
    plain = {name.replace("_", " "): value for name, value in values.items() if not isinstance(value, dict)}
    return ", ".join(f"{name} {value}" for name, value in plain.items())
