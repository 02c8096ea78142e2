"""The stored figures of the CT study, and the tables that README and terminal show beside the source's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from figures import EVERY, RECALIBRATED, after
from studies import AS_READ, AUGMENTED, CALIBRATED, ELSEWHERE, HOME, MEAN_HU, NETWORK, SOURCE, TRAINING, Study

from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.paired.resampled_t import CORRECTED_T
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
COLUMNS = [
    *("table", "where", "scanner", "model", "class", "metric", "test", "value", "low", "high", "p", "p_holm", "n"),
    *("patients", "reason", "seed", "folds", "epochs", "home", "elsewhere", "drawn", "known", "commit", "machine"),
    "minutes",
]
NAMES = {"mae": "MAE", "rmse": "RMSE", "r2": "R²", "pearson_r": "r", "bias": "bias"}
CLASSES = {
    ("all", "accuracy"): ("accuracy", "accuracy"),
    ("macro", "sensitivity"): ("macro sensitivity", "sensitivity"),
    ("macro", "specificity"): ("macro specificity", "specificity"),
    ("macro", "precision"): ("macro precision", "precision"),
    ("macro", "f1"): ("macro F1", "f1"),
    ("all", "kappa"): ("kappa", ""),
}
BONE = {
    "dice": "Dice", "assd": "ASSD, mm", "hd95": "HD95, mm", "right": "L1 and L2 named rightly",
    "calibrated": "phantom found", "lost": "scans without L1 and L2, left out",
    "lost, osteoporosis": "… of them below 80 mg/cm³", "osteoporosis": "all scans below 80 mg/cm³",
}  # fmt: skip
SOURCE_SET = {TRAINING: "train", HOME: "test", ELSEWHERE: "independent"}
PLACES = {
    TRAINING: "In training, each patient by a fold model that was trained on them",
    HOME: "At home, out of fold",
    ELSEWHERE: "Three other hospitals, four other scanners",
}


def update(found: pd.DataFrame, *, path: Path, study: Study, workers: int, minutes: float | None) -> None:
    """Store the figures; ``minutes`` of the whole command, where it was run in one piece."""
    names = ("seed", "folds", "epochs", "home", "elsewhere", "drawn", "known")
    facts = {name: getattr(study, name) for name in names}
    rows = found.assign(**facts, minutes=minutes, commit=commit(HERE), machine=f"{machine()}, {workers} at once")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, rows.reindex(columns=COLUMNS).to_csv(index=False, float_format="%.6g"))


def stored(path: Path) -> str:
    """Return every table of the stored figures as Markdown."""
    return "\n".join(_lines(pd.read_csv(path)))


def write_readme(path: Path, *, quick: bool) -> None:
    """Put the stored tables between their markers in the README; of the quick preset one table."""
    part, text = ("quick", "\n".join(_quick_lines(pd.read_csv(path)))) if quick else ("study", stored(path))
    atomic_replace(HERE / "README.md", text, begin=f"<!-- {part}: begin -->", end=f"<!-- {part}: end -->")


def _quick_lines(rows: pd.DataFrame) -> Iterator[str]:
    part = rows[(rows["table"] == "performance") & (rows["scanner"] == EVERY) & (rows["metric"] == "mae")]
    counts = {where: int(part.loc[part["where"] == where, "n"].iloc[0]) for where in (HOME, ELSEWHERE)}
    yield from _head("model", [f"MAE {where}, mg/cm³ ({n})" for where, n in counts.items()])
    for model in dict.fromkeys(part["model"]):
        cells = [_cell(_one(part, model=model, where=where), digits=1) for where in counts]
        yield f"| {model} | {' | '.join(cells)} |"
    yield ""
    yield from _facts(rows)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    part = {str(name): own for name, own in rows.groupby("table", sort=False)}
    yield from _bone(part["bone"])
    yield from _performance(part["performance"], TRAINING, part["classes"])
    for where in (HOME, ELSEWHERE):
        yield from _performance(part["performance"], where, part["classes"])
        yield from _classes(part["classes"], where)
        yield from _class_networks(part["class networks"], where)
    yield from _by_scanner(part["drop"], "**The drop**: MAE elsewhere minus MAE at home, mg/cm³ (other people):")
    yield from _gains(part["gain"])
    yield from _recalibration(part["recalibration"], part["recalibration change"])
    title = "**Does fusing help, and which way?** MAE minus that of `concat`, same patients, mg/cm³; below 0 is better:"
    yield from _against(part["against concatenation"], title)
    title = (
        f"**When is the network worth it?** MAE minus that of `{MEAN_HU}`, same patients, mg/cm³; below 0 is better:"
    )
    yield from _against(part["against mean HU"], title)
    yield from _facts(rows)


def _facts(rows: pd.DataFrame) -> Iterator[str]:
    one = rows.iloc[0]
    took = "" if pd.isna(one.get("minutes")) else f" The whole command took {one['minutes']:.0f} minutes."
    yield (
        f"{one['home']} scans at home, {one['elsewhere']} elsewhere, {one['drawn']} other people for the segmenter, "
        f"all **simulated**; {one['folds']} folds, {one['epochs']} epochs, seed {one['seed']}. Brackets: 95 % patient "
        f"bootstrap. Commit {one['commit']}; machine: {one['machine']}.{took}"
    )


def _bone(rows: pd.DataFrame) -> Iterator[str]:
    yield "**Is the bone found?** All vertebral bodies in the field against the truth, people not seen in training:"
    yield ""
    heads = [
        (where, scanner) for where, scanner in rows[["where", "scanner"]].drop_duplicates().itertuples(index=False)
    ]
    heads = [(where, scanner) for where, scanner in heads if (where, scanner) != (HOME, "scanner_a")]
    counts = [_one(rows, where=where, scanner=scanner, metric="dice")["n"].iloc[0] for where, scanner in heads]
    names = [f"{where}, {scanner} ({int(n)})" for (where, scanner), n in zip(heads, counts, strict=True)]
    yield from _head("", names)
    for metric, name in BONE.items():
        digits = 0 if "lost" in metric or "osteoporosis" in metric else 2
        cells = [_cell(_one(rows, where=w, scanner=s, metric=metric), digits=digits) for w, s in heads]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def _performance(rows: pd.DataFrame, where: str, classes: pd.DataFrame) -> Iterator[str]:
    part = rows[(rows["where"] == where) & (rows["scanner"] == EVERY)]
    areas = classes[(classes["where"] == where) & classes["metric"].astype(str).str.startswith("auroc")]
    cuts = sorted(areas["metric"].unique())
    yield f"**{PLACES[where]}**: density in mg/cm³, {int(part['n'].iloc[0])} **simulated** patients."
    yield ""
    yield from _head("model", [*NAMES.values(), *(f"AUC, {name.split()[1]} mg/cm³" for name in cuts)])
    for model in dict.fromkeys(part["model"]):
        cells = [_cell(_one(part, model=model, metric=metric), digits=2) for metric in NAMES]
        cells += [_cell(_one(areas, model=model, metric=metric)) for metric in cuts]
        yield f"| {model} | {' | '.join(cells)} |"
    which = SOURCE_SET[where]
    cells = [*(_source(which, metric) for metric in NAMES), f"mean of three classes {_source(which, 'auroc')}", ""]
    yield f"| *source, {which}, real patients* | {' | '.join(cells)} |"
    yield ""


def _classes(rows: pd.DataFrame, where: str) -> Iterator[str]:
    part = rows[(rows["where"] == where) & rows["class"].isin(("macro", "all"))]
    yield "Normal, low bone mass, osteoporosis, by 120 and 80 mg/cm³:"
    yield ""
    yield from _head("model", [name for name, _ in CLASSES.values()])
    for model in dict.fromkeys(part["model"]):
        own = part[part["model"] == model]
        cells = [_cell(own[(own["class"] == group) & (own["metric"] == metric)]) for group, metric in CLASSES]
        yield f"| {model} | {' | '.join(cells)} |"
    cells = [_source(SOURCE_SET[where], metric) for _, metric in CLASSES.values()]
    yield f"| *source, {SOURCE_SET[where]}, real patients* | {' | '.join(cells)} |"
    yield ""


def _class_networks(rows: pd.DataFrame, where: str) -> Iterator[str]:
    part = rows[rows["where"] == where]
    yield "The same classes by networks trained for them: one says density and class, one the class alone:"
    yield ""
    yield from _head("class from", [*(name for name, _ in CLASSES.values()), "macro AUC"])
    for source in dict.fromkeys(part["model"]):
        own, signed = part[part["model"] == source], "-" in source
        keys = [*CLASSES, ("macro", "auroc")]
        cells = [_cell(own[(own["class"] == group) & (own["metric"] == name)], signed=signed) for group, name in keys]
        yield f"| {source} | {' | '.join(cells)} |"
    cells = [_source(SOURCE_SET[where], metric) for metric in (*(key for _, key in CLASSES.values()), "auroc")]
    yield f"| *source, {SOURCE_SET[where]}, real patients* | {' | '.join(cells)} |"
    yield ""


def _by_scanner(rows: pd.DataFrame, title: str) -> Iterator[str]:
    yield title
    yield ""
    scanners = list(dict.fromkeys(rows["scanner"]))
    counts = [int(rows.loc[rows["scanner"] == scanner, "n"].iloc[0]) for scanner in scanners]
    yield from _head("model", [f"{scanner} ({n})" for scanner, n in zip(scanners, counts, strict=True)])
    for model in dict.fromkeys(rows["model"]):
        cells = [_cell(_one(rows, model=model, scanner=scanner), signed=True, digits=1) for scanner in scanners]
        yield f"| {model} | {' | '.join(cells)} |"
    yield ""


def _gains(rows: pd.DataFrame) -> Iterator[str]:
    own = rows[(rows["test"] == PAIRED_BOOTSTRAP) & rows["model"].isin((CALIBRATED, AUGMENTED))]
    title = f"**What gives it back to the network?** MAE minus that of `{NETWORK}`, the same patients, mg/cm³:"
    yield from _by_scanner(own, title)


def _recalibration(rows: pd.DataFrame, changes: pd.DataFrame) -> Iterator[str]:
    known, n = int(rows["known"].iloc[0]), int(rows["n"].iloc[0])
    yield (f"**A line through {known} measured patients of each new scanner**, scored on the {n} others; mg/cm³:")
    yield ""
    yield from _head("model", ["MAE before", "MAE after", "change", "bias before", "bias after"])
    changes = changes[changes["test"] == PAIRED_BOOTSTRAP]
    for model in (*RECALIBRATED, *AS_READ):
        mended = after(model)
        mae, bias = (
            [
                _cell(_one(rows, model=name, metric=metric), digits=1, signed=metric == "bias")
                for name in (model, mended)
            ]
            for metric in ("mae", "bias")
        )
        change = _cell(_one(changes, model=mended), signed=True, digits=1)
        yield f"| {model} | {' | '.join([*mae, change, *bias])} |"
    yield ""


def _against(rows: pd.DataFrame, title: str) -> Iterator[str]:
    yield title
    yield ""
    boot = rows[rows["test"] == PAIRED_BOOTSTRAP]
    places = list(dict.fromkeys(zip(boot["where"], boot["scanner"], strict=True)))
    names = [f"{where}, {scanner}" for where, scanner in places]
    yield from _head("model", [*names, "at home, corrected t-test: Holm's p"])
    for model in dict.fromkeys(boot["model"]):
        cells = [_cell(_one(boot, model=model, where=w, scanner=s), signed=True, digits=1) for w, s in places]
        test = rows[(rows["test"] == CORRECTED_T) & (rows["model"] == model) & (rows["where"] == HOME)]
        yield f"| {model} | {' | '.join(cells)} | {float(test['p_holm'].iloc[0]):.3f} |"
    yield ""


def _head(first: str, names: Sequence[str]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"


def _one(rows: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def _source(which: str, metric: str) -> str:
    value = SOURCE.get((which, metric))
    return "not stated" if value is None else f"{value:g}"


def _cell(rows: pd.DataFrame, *, signed: bool = False, digits: int = 3) -> str:
    if rows.empty or pd.isna(rows["value"].iloc[0]):
        return "–"
    one, form = rows.iloc[0], f"{'+' if signed else ''}.{digits}f"
    interval = "" if pd.isna(one["low"]) else f" [{one['low']:{form}}, {one['high']:{form}}]"
    return f"{one['value']:{form}}{interval}"
