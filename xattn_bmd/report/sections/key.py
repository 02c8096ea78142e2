"""The result in a few sentences, made from the tables and no more certain than they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.paired.resampled_t import CORRECTED_T
from xattn_bmd.metrics.tables.layout import FOLDS
from xattn_bmd.report.material import Material, one, rows
from xattn_bmd.report.numbers import MINUS, in_words, p_value, percent, span
from xattn_bmd.report.page import Block, Prose, Section

if TYPE_CHECKING:
    import pandas as pd

_IMAGE_ALONE = "the image alone"
_LEVEL = 0.05


def section(material: Material) -> Section:
    """Return the section."""
    blocks: list[Block] = [Prose(text=smallest_error(material), tone="key")]
    blocks.extend(Prose(text=text, tone="key") for text in fusing_helps(material))
    blocks.append(Prose(text=_caution(material), tone="note"))
    return Section(name="key-result", title="Key result", blocks=tuple(blocks))


def smallest_error(material: Material) -> str:
    """Return which model has the smallest error, with its intervals."""
    metrics, words = material.evidence.metrics, material.words
    pooled = metrics[metrics["method"] != FOLDS]
    errors = rows(pooled, metric="mae")
    best = min(errors, key=lambda row: float(row["value"]))
    model = str(best["model"])
    r2 = one(pooled, model=model, metric="r2")
    mae = f"a mean absolute error of {in_words(words.estimate(best))} {words.scale.unit}"
    fit = f" and R² {in_words(words.estimate(r2))}" if r2 and not math.isnan(r2["value"]) else ""
    lead = f"{model} has" if len(errors) == 1 else f"Of {len(errors)} models, {model} has the smallest error:"
    where = "an external cohort of " if material.source.is_external else ""
    return f"{lead} {mae}{fit} on {where}{material.counted.removeprefix('n = ')} (95 % intervals in brackets)."


def fusing_helps(material: Material) -> tuple[str, ...]:
    """Return whether the fused model has smaller errors than concatenation, and than the image alone."""
    evidence = material.evidence
    said = []
    if not evidence.comparisons.empty:
        model = _of_interest(evidence.comparisons)
        said.append(compared(evidence.comparisons, evidence.detectable, model=model, than=evidence.base))
    if not evidence.image_comparisons.empty:
        model = _of_interest(evidence.image_comparisons)
        said.append(compared(evidence.image_comparisons, evidence.image_detectable, model=model, than=_IMAGE_ALONE))
    return tuple(said)


def compared(comparisons: pd.DataFrame, detectable: pd.DataFrame, *, model: str, than: str) -> str:
    """Return one honest sentence on the mean squared error of a model against another.

    Args:
        comparisons: the comparisons table.
        detectable: the table of detectable differences of the same comparison.
        model: model a.
        than: model b in words.
    """
    row = one(comparisons, model_a=model, metric="mse", test=PAIRED_BOOTSTRAP)
    if row is None or math.isnan(row["relative"]):
        return f"Whether {model} has smaller errors than {than} cannot be said from these predictions."
    change = f"{percent(abs(row['relative']))} {'smaller' if row['relative'] < 0 else 'larger'}"
    interval = span(row["relative_low"], row["relative_high"], as_percent=True) or "no interval"
    facts = f"its mean squared error is {change} (relative change {interval}, p {_equals(p_value(row['p']))})"
    if row["low"] > 0 or row["high"] < 0:
        return _apart(comparisons, model=model, than=than, word="smaller" if row["high"] < 0 else "larger", facts=facts)
    return f"The data do not show that {model} has smaller errors than {than}: {facts}{_could_have(detectable, model)}."


def _apart(comparisons: pd.DataFrame, *, model: str, than: str, word: str, facts: str) -> str:
    """Return what a difference on these patients says about the two methods, trained on others.

    The bootstrap takes the trained networks as they are; the corrected t also counts what other training patients would
    change.
    """
    row = one(comparisons, model_a=model, metric="mse", test=CORRECTED_T)
    if row is None or math.isnan(row["p"]):
        return f"These trained models of {model} have {word} errors than {than}: {facts}."
    p = _equals(p_value(row["p"]))
    if row["p"] < _LEVEL:
        return f"{model} has {word} errors than {than}: {facts}; corrected resampled t over the folds, p {p}."
    return (
        f"On these patients the trained models of {model} have {word} errors than {than}: {facts}. That the method "
        f"would do so when trained on other patients is not shown (corrected resampled t over the folds, p {p})."
    )


def _could_have(detectable: pd.DataFrame, model: str) -> str:
    row = one(detectable, model_a=model, metric="mse")
    if row is None or math.isnan(row["detectable_relative"]):
        return ""
    return f"; a true difference of {percent(row['detectable_relative'])} would have been found with 80 % power"


def _equals(text: str) -> str:
    return text if text.startswith("<") else f"= {text}"


def _of_interest(comparisons: pd.DataFrame) -> str:
    names = list(dict.fromkeys(comparisons["model_a"]))
    return "xattn" if "xattn" in names else str(names[0])


def _caution(material: Material) -> str:
    texts = []
    if len(material.models) > 1:
        texts.append(
            "The model with the smallest error was picked after seeing the results, which flatters it a little; the "
            "comparisons below do not depend on that choice."
        )
    if material.source.simulated:
        texts.append(f"Simulated {material.words.images} say nothing about patients.")
    texts.append(f"Negative changes ({MINUS}) of an error are improvements.")
    return " ".join(texts)
