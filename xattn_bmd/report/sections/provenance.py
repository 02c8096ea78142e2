"""Where the numbers come from: folds, configuration, software and machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xattn_bmd.report.figures.fold_plan import fold_plan
from xattn_bmd.report.material import Material
from xattn_bmd.report.page import Block, Cell, Code, Picture, Prose, Section, Table, Terms

_NO_FOLDS = "An external validation has no folds: every {} is estimated by all fold models of the predictor."
_PLAIN = ("hash", "made_by", "folds", "repeats")


def folds(material: Material) -> Section:
    """Return the section on the fold plan."""
    if material.source.is_external:
        return Section(name="folds", title="Fold plan", blocks=(Prose(text=_NO_FOLDS.format(material.words.image)),))
    picture = Picture(
        name="fold-plan",
        caption=material.caption(
            f"{material.words.heading} and patients of every fold, and mean measured density with its SD."
        ),
        label="Sizes and mean densities of the folds",
        figure=fold_plan(material.evidence.grid, words=material.words),
    )
    return Section(name="folds", title="Fold plan", blocks=(*_plan_facts(material), picture, _fold_table(material)))


def settings(material: Material) -> Section:
    """Return the section on configuration and environment."""
    return recorded_settings(material.source.config_text, material.source.environment)


def recorded_settings(config_text: str, recorded: Mapping[str, Any] | None) -> Section:
    """Return the section on configuration and environment.

    Args:
        config_text: text of ``config.yaml``; empty where there is none.
        recorded: content of ``environment.json``; None where there is none.
    """
    configured: tuple[Block, ...] = (Prose(text="The source holds no config.yaml."),)
    if config_text:
        configured = (Code(label="config.yaml", text=config_text.rstrip()),)
    environment: tuple[Block, ...] = (Prose(text="The source holds no environment.json."),)
    if recorded:
        environment = (Terms(items=tuple(_flattened(recorded))),)
    return Section(
        name="settings",
        title="Configuration and environment",
        parts=(
            Section(name="configuration", title="Configuration", blocks=configured),
            Section(name="environment", title="Environment", blocks=environment),
        ),
    )


def _plan_facts(material: Material) -> tuple[Block, ...]:
    return plan_facts(material.source.plan)


def plan_facts(plan: Mapping[str, Any] | None) -> tuple[Block, ...]:
    """Return what a fold plan says of itself.

    Args:
        plan: content of ``fold_plan.json``; None where there is none.
    """
    if plan is None:
        return (Prose(text="The source holds no fold plan; the folds below are those of the predictions table."),)
    return (Terms(items=tuple((name.replace("_", " "), str(plan[name])) for name in _PLAIN if name in plan)),)


def _fold_table(material: Material) -> Table:
    grid, words = material.evidence.grid, material.words
    unit = words.scale.unit
    body = []
    for repeat, codes in zip(grid.repeat_labels, grid.folds, strict=True):
        for code in sorted(set(codes.tolist())):
            inside = codes == code
            density = grid.target[inside]
            spread = words.density(float(density.std(ddof=1))) if len(density) > 1 else "–"
            patients = len(set(grid.patients[inside].tolist()))
            cells = (grid.fold_labels[code], len(density), patients, words.density(float(density.mean())), spread)
            body.append((Cell(str(repeat)), *(Cell(str(cell)) for cell in cells)))
    return Table(
        name="folds",
        caption=material.caption("Every scored fold."),
        columns=("repeat", "fold", words.images, "patients", f"mean density, {unit}", f"SD, {unit}"),
        rows=tuple(body),
    )


def _flattened(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    items: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            items.extend((str(inner), str(one)) for inner, one in value.items())
        else:
            text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
            items.append((name.replace("_", " "), text))
    return items
