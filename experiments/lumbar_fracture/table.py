"""The stored figures of the fracture study, and the tables that README and terminal show beside the source's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from studies import CLASSES, SOURCE, SOURCE_KAPPA, VOTES, Study

from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
README = HERE / "README.md"
BEGIN, END = "<!-- study: begin -->", "<!-- study: end -->"
COLUMNS = [
    *("table", "where", "model", "class", "metric", "risk", "probability", "heat_of", "zone", "class_a", "class_b"),
    *("value", "low", "high", "p", "p_holm", "n", "patients", "positive", "boxes", "reason"),
    *("seed", "folds", "epochs", "size", "members", "commit", "machine"),
]
WHERE = ("internal", "external")
OVERALL = {
    ("all", "accuracy"): "accuracy",
    ("macro", "sensitivity"): "macro sensitivity",
    ("macro", "specificity"): "macro specificity",
    ("macro", "auroc"): "macro AUC, one against the rest",
    ("macro", "f1"): "macro F1",
    ("all", "kappa"): "kappa with the truth",
}
EACH = ("auroc", "sensitivity", "specificity", "precision", "f1")


def update(found: pd.DataFrame, *, path: Path, study: Study, workers: int) -> None:
    """Store the figures in place of earlier ones of the same members."""
    facts = {"seed": study.seed, "folds": study.folds, "epochs": study.epochs, "size": study.size}
    rows = found.assign(
        **facts, members=study.backbones, commit=commit(HERE), machine=f"{machine()}, {workers} at once"
    )
    rows = rows.reindex(columns=COLUMNS)
    if path.exists():
        before = pd.read_csv(path)
        rows = pd.concat([before[before["members"] != study.backbones], rows], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, rows.to_csv(index=False, float_format="%.6g"))


def stored(path: Path) -> str:
    """Return every table of the stored figures as Markdown."""
    table = pd.read_csv(path)
    return "\n".join(line for _, part in table.groupby("members", sort=False) for line in _lines(part))


def write_readme(path: Path) -> None:
    """Put the stored tables between their markers in the README."""
    atomic_replace(README, stored(path), begin=BEGIN, end=END)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    yield from _detector(rows[rows["table"] == "detector"])
    yield from _overall(rows[rows["table"] == "classes"])
    yield from _each(rows[rows["table"] == "classes"])
    yield from _against(rows[rows["table"] == "against soft vote"])
    yield from _patients(rows[rows["table"] == "patients"])
    yield from _decision(rows[rows["table"] == "decision"])
    yield from _zones(rows[rows["table"] == "zones"])
    yield from _zone_tests(rows[rows["table"] == "zone tests"])
    one = rows.iloc[0]
    yield (
        f"{one['folds']} folds, at most {one['epochs']} epochs, {one['size']} pixels a vertebra, seed {one['seed']}. "
        f"Commit {one['commit']}; machine: {one['machine']}."
    )
    yield ""


def _detector(rows: pd.DataFrame) -> Iterator[str]:
    yield "**Are vertebrae found?** **Simulated** lateral spines of people on whom the detector was not trained:"
    yield ""
    yield "| | at home | other institution | source, test |"
    yield "|---|---|---|---|"
    for metric, name in (("map50", "mAP@0.5"), ("map50_95", "mAP@0.5:0.95")):
        cells = [_cell(rows[(rows["where"] == where) & (rows["metric"] == metric)]) for where in WHERE]
        yield f"| {name} | {' | '.join(cells)} | {SOURCE['test', metric]:.3f} |"
    whole = rows[rows["class"].isna()]
    for metric, name in (("missed", "share missed"), ("false per radiograph", "false boxes per radiograph")):
        cells = [_plain(whole[(whole["where"] == where) & (whole["metric"] == metric)]) for where in WHERE]
        yield f"| {name} | {' | '.join(cells)} | not stated |"
    counts = [
        ", ".join(f"{name} {int(_value(rows, where, name)):d}" for name in CLASSES) for where in WHERE
    ]  # fmt: skip
    yield f"| missed by class | {' | '.join(counts)} | not stated |"
    yield ""


def _overall(rows: pd.DataFrame) -> Iterator[str]:
    for where in WHERE:
        part = rows[rows["where"] == where]
        models = list(dict.fromkeys(part["model"]))
        one = part.iloc[0]
        title = "At home, out of fold" if where == "internal" else "Other institution"
        yield f"**{title}**: {int(one['n']):,} vertebrae of {int(one['patients'])} **simulated** patients."
        yield ""
        yield "| |" + "".join(f" `{name}` |" for name in models) + " source |"
        yield "|---" * (len(models) + 2) + "|"
        for (group, metric), name in OVERALL.items():
            own = part[(part["class"] == group) & (part["metric"] == metric)].set_index("model")
            cells = [_cell(own.loc[[model]]) for model in models]
            theirs = SOURCE.get((where, metric))
            if metric == "kappa":
                shown = "; ".join(f"{who} {value}" for who, value in SOURCE_KAPPA.items())
            else:
                shown = "not stated" if theirs is None else f"{theirs:.3f}"
            yield f"| {name} | {' | '.join(cells)} | {shown} |"
        yield ""


def _each(rows: pd.DataFrame) -> Iterator[str]:
    yield f"**Class by class**, `{VOTES[0]}`, each against the rest:"
    yield ""
    yield "| class | where |" + "".join(f" {metric} |" for metric in EACH)
    yield "|---" * (len(EACH) + 2) + "|"
    own = rows[rows["model"] == VOTES[0]]
    for name in CLASSES:
        for where in WHERE:
            part = own[(own["class"] == name) & (own["where"] == where)]
            cells = [_cell(part[part["metric"] == metric]) for metric in EACH]
            yield f"| {name} | {where} | {' | '.join(cells)} |"
    yield ""


def _against(rows: pd.DataFrame) -> Iterator[str]:
    yield f"**Is the ensemble better than its members?** Each model minus `{VOTES[0]}`, paired over patients, Holm's p:"
    yield ""
    yield "| model | at home: accuracy | macro AUC | other institution: accuracy | macro AUC |"
    yield "|---|---|---|---|---|"
    for model in dict.fromkeys(rows["model"]):
        own = rows[rows["model"] == model]
        cells = []
        for where in WHERE:
            for metric in ("accuracy", "auroc"):
                one = own[(own["where"] == where) & (own["metric"] == metric)]
                cells.append(f"{_signed(one)}, p {float(one['p_holm'].iloc[0]):.3f}")
        yield f"| `{model}` | {' | '.join(cells)} |"
    yield ""


def _patients(rows: pd.DataFrame) -> Iterator[str]:
    yield "**Patients: has any vertebra a fresh fracture?** Risk 1 - Π(1 - p) over the vertebrae that were found:"
    yield ""
    yield "| where | model | AUC | Brier score as given | recalibrated | with a fresh fracture |"
    yield "|---|---|---|---|---|---|"
    for (where, model), own in rows.groupby(["where", "model"], sort=False):
        if model in VOTES[1:]:
            continue
        given, mended = own[own["risk"] == "as given"], own[own["risk"] == "recalibrated"]
        cells = [_cell(given[given["metric"] == "auroc"])]
        cells += [_cell(part[part["metric"] == "brier"]) for part in (given, mended)]
        one = own.iloc[0]
        yield f"| {where} | `{model}` | {' | '.join(cells)} | {int(one['positive'])} of {int(one['n'])} |"
    yield ""


def _decision(rows: pd.DataFrame) -> Iterator[str]:
    places = sorted(rows["probability"].dropna().unique())
    yield "**Worth of sending to MRI**: net benefit per patient of acting from a risk on, recalibrated risks:"
    yield ""
    yield "| where | who is sent |" + "".join(f" from {place:.0%} |" for place in places)
    yield "|---" * (len(places) + 2) + "|"
    shown = rows[(rows["risk"] == "recalibrated") | rows["risk"].isna()]
    names = {"act_on_all": "everyone", "act_on_none": "no one"}
    for where in WHERE:
        for model in (VOTES[0], "concat", "xattn", "metadata_only", "act_on_all"):
            own = shown[(shown["where"] == where) & shown["model"].str.startswith(model)]
            if own.empty:
                continue
            cells = [_cell(own[own["probability"] == place]) for place in places]
            yield f"| {where} | {names.get(model, f'by `{own.iloc[0].model}`')} | {' | '.join(cells)} |"
    yield ""


def _zones(rows: pd.DataFrame) -> Iterator[str]:
    zones = list(dict.fromkeys(rows["zone"].dropna()))
    yield "**Where on the body does it look?** HiResCAM of the called class, times chance (1 is heat spread evenly):"
    yield ""
    yield "| heat of | class | n |" + "".join(f" {zone} |" for zone in zones)
    yield "|---" * (len(zones) + 3) + "|"
    for (of, name), own in rows.groupby(["heat_of", "class"], sort=False):
        cells = [_cell(own[own["zone"] == zone]) for zone in zones]
        yield f"| {of} | {name} | {int(own['n'].max())} | {' | '.join(cells)} |"
    yield ""


def _zone_tests(rows: pd.DataFrame) -> Iterator[str]:
    counts = [
        f"{of} {int((own['p_holm'] < 0.05).sum())} of {len(own)}" for of, own in rows.groupby("heat_of", sort=False)
    ]
    yield f"Zones and pairs of classes that differ (Holm's p < 0.05): {'; '.join(counts)}."
    yield ""


def _value(rows: pd.DataFrame, where: str, name: str) -> float:
    return float(rows[(rows["where"] == where) & (rows["class"] == name)]["value"].iloc[0])


def _plain(rows: pd.DataFrame) -> str:
    return f"{float(rows['value'].iloc[0]):.3f}"


def _cell(rows: pd.DataFrame) -> str:
    if rows.empty or pd.isna(rows["value"].iloc[0]):
        return "–"
    one = rows.iloc[0]
    interval = "" if pd.isna(one["low"]) else f" [{one['low']:.3f}, {one['high']:.3f}]"
    return f"{one['value']:.3f}{interval}"


def _signed(rows: pd.DataFrame) -> str:
    one = rows.iloc[0]
    return f"{one['value']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"
