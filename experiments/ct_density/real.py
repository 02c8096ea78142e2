"""Two real CT scans from file to trabecular density without a manual step.

Run: python experiments/ct_density/real.py --ct FOLDER --work FOLDER
Each scan by two segmenters: one that saw simulated scans only (that of measure.py, whose ``--work`` this is; trained if
it is not there yet), and the same after it saw the bodies drawn in the other real scan.  No phantom lies in these
fields, so the line from HU to density is the assumed one of 120 kVp.  The drawn labels of the scan itself only score:
they cover whole vertebrae, arches too, so Dice is that of the trabecular regions.  Writes results/real.csv, the table
between the README's markers, and the segmentations over the scans into ``--work``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from measure import segmenter
from numpy.typing import NDArray
from segment_real import SERIES, TORSO, overlay
from studies import Study

from xattn_bmd import VolumeSegmenter, measure_density, read_labels, read_volume, split_bodies
from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.data.volumes.trabecular import trabecular_region
from xattn_bmd.errors import VolumeError
from xattn_bmd.metrics.dice import dice
from xattn_bmd.training.environment import commit, machine
from xattn_bmd.types import LabelMap, Volume

HERE = Path(__file__).parent
BEGIN, END = "<!-- real: begin -->", "<!-- real: end -->"
LEVELS = (
    {"S1": 26}
    | {f"L{number}": 32 - number for number in range(1, 6)}
    | {f"T{number}": 44 - number for number in range(1, 13)}
)
"""Numbers of the vertebrae in the drawn labels: S1 26, L5 27 to L1 31, T12 32 to T1 43."""

SCANS = {"torso": (f"{TORSO}_ct_3mm.nii.gz", f"{TORSO}_seg_3mm.nii.gz"), "series": (SERIES, f"{SERIES}_seg.nii.gz")}
STRAY = "no drawn vertebra"
ROUNDS = 8
"""Looks at the other real scan, 30 batches each."""

REACH_MM = 7.0
"""A body ends this far from its trabecular region, which begins 4 mm below the surface and has no corners."""


def main() -> None:
    """Read, segment, measure, score, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", type=Path, required=True, help="folder of the two real scans and their labels")
    parser.add_argument("--work", type=Path, required=True, help="folder of measure.py")
    parser.add_argument("--small", action="store_true", help="the segmenter of a trial; nothing is put in the README")
    asked = parser.parse_args()
    study = Study().small() if asked.small else Study()
    asked.workers = 1
    rows = [
        {"scan": name, "seen": seen} | row
        for name in SCANS
        for seen, one in segmenters(name, study, asked)
        for row in scored(
            name, asked.ct, one, asked.work / f"real {name}, {seen}.png".replace(", ", "_").replace(" ", "_")
        )
    ]
    table = pd.DataFrame(rows).assign(commit=commit(HERE), machine=machine(), drawn=study.drawn, seed=study.seed)
    results = asked.work if asked.small else HERE / "results"
    results.mkdir(parents=True, exist_ok=True)
    atomic_write(results / "real.csv", table.to_csv(index=False, float_format="%.6g"))
    text = "\n".join(lines(table))
    print(text)
    if not asked.small:
        atomic_replace(HERE / "README.md", text, begin=BEGIN, end=END)


def segmenters(name: str, study: Study, asked: argparse.Namespace) -> Iterator[tuple[str, VolumeSegmenter]]:
    """Yield what each segmenter saw, and the segmenter; none saw the scan of this name."""
    first = segmenter(study, asked)
    yield f"{study.drawn} simulated", first
    other = next(each for each in SCANS if each != name)
    place = asked.work / f"segmenter_then_{other}"
    if not place.exists():
        volume, drawn = opened(asked.ct, other)
        config = replace(study.segmenter(), epochs=ROUNDS, learning_rate=2e-3, validation_fraction=0.0)
        VolumeSegmenter.fit(
            [volume], [bodies(volume, drawn)], patients=[other], config=config, start=first,
            on_epoch=lambda course: print(other, dict(course), flush=True),
        ).save(place)  # fmt: skip
    yield f"{study.drawn} simulated, then the {other}", VolumeSegmenter.open(place)


def opened(folder: Path, name: str) -> tuple[Volume, LabelMap]:
    """Return a scan and its drawn labels."""
    scan, labels = SCANS[name]
    volume = read_volume(folder / scan)
    return volume, read_labels(folder / labels, like=volume)


def bodies(volume: Volume, drawn: LabelMap) -> LabelMap:
    """Return the vertebral bodies of drawn vertebrae: what lies near their trabecular regions, without the arch."""
    from scipy.ndimage import distance_transform_edt

    body = np.zeros(drawn.labels.shape, dtype=np.uint16)
    for number in LEVELS.values():
        vertebra = drawn.labels == number
        inner = trabecular_region(volume, vertebra)
        if inner.any():
            body[vertebra & (distance_transform_edt(~inner, sampling=volume.spacing_mm) <= REACH_MM)] = 1
    return replace(drawn, labels=body, names={"body": 1})


def scored(name: str, folder: Path, trained: VolumeSegmenter, picture: Path) -> Iterator[dict[str, object]]:
    """Yield one row for each body that was found or drawn, and one for the scan."""
    volume, drawn = opened(folder, name)
    levels = {level: number for level, number in LEVELS.items() if (drawn.labels == number).any()}
    vertebrae = np.isin(drawn.labels, list(levels.values()))
    try:
        found = split_bodies(trained.segment(volume), smallest_ml=1.0, column_mm=45.0)
    except VolumeError as error:
        print(f"{name}: {error}")
        found = LabelMap(np.zeros_like(drawn.labels), {}, volume.spacing_mm, volume.affine, ())
    overlay(volume, found.labels > 0, vertebrae, picture, title=picture.stem)
    named = name_bodies(found, drawn)
    rows = [level_row(volume, found, drawn, body, level) for body, level in named.items()]
    missed = [level for level in levels if level not in named.values()]
    rows += [{"level": level, "drawn_density": density(volume, drawn, levels[level])} for level in missed]
    yield from rows
    yield whole_row(found, vertebrae, rows)


def name_bodies(found: LabelMap, drawn: LabelMap) -> dict[int, str]:
    """Return the drawn level in which most of each body lies; of two bodies in one level the larger has its name."""
    of_number = {number: level for level, number in LEVELS.items()}
    named: dict[int, str] = {}
    sizes = {number: int((found.labels == number).sum()) for number in found.names.values()}
    for number in sorted(sizes, key=lambda number: -sizes[number]):
        inside = np.bincount(drawn.labels[found.labels == number], minlength=max(of_number) + 1)
        level = of_number.get(int(inside.argmax()), STRAY)
        named[number] = STRAY if level in named.values() else level
    return named


def level_row(volume: Volume, found: LabelMap, drawn: LabelMap, body: int, level: str) -> dict[str, object]:
    """Return the density of one found body, beside that of the drawn vertebra, and their overlap."""
    row: dict[str, object] = {"level": level, "found_density": density(volume, found, body)}
    if level == STRAY:
        return row
    ours, theirs = found.labels == body, drawn.labels == LEVELS[level]
    regions = [trabecular_region(volume, mask) for mask in (ours, theirs)]
    return row | {
        "drawn_density": density(volume, drawn, LEVELS[level]),
        "dice_trabecular": float(dice(regions[0][None], regions[1][None])[0]),
        "inside": float((ours & theirs).sum() / ours.sum()),
    }


def whole_row(found: LabelMap, vertebrae: NDArray[np.bool_], rows: list[dict[str, object]]) -> dict[str, object]:
    """Return the means over the levels that were found and drawn, and the overlap of all bone."""
    ours, table = found.labels > 0, pd.DataFrame(rows).reindex(columns=["level", "found_density", "drawn_density"])
    both = table[table["found_density"].notna() & table["drawn_density"].notna()]
    return {
        "level": f"mean of {len(both)} levels", "found_density": both["found_density"].mean(),
        "drawn_density": both["drawn_density"].mean(), "dice_trabecular": np.nan,
        "inside": float((ours & vertebrae).sum() / max(1, ours.sum())),
    }  # fmt: skip


def density(volume: Volume, labels: LabelMap, number: int) -> float:
    """Return mg/cm³ by the assumed line; NaN where too little trabecular bone is left."""
    try:
        return measure_density(volume, labels, levels={"it": number}, calibration="assumed").density
    except VolumeError as error:
        print(error)
        return float("nan")


def lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield the table of the README."""
    yield "| scan | trained on | level | found, mg/cm³ | drawn, mg/cm³ | difference | Dice, trabecular | inside drawn |"
    yield "|---" * 8 + "|"
    for row in table.itertuples():
        values = (row.found_density, row.drawn_density, row.found_density - row.drawn_density)
        cells = [_shown(value, form) for value, form in zip(values, (".0f", ".0f", "+.0f"), strict=True)]
        cells += [_shown(value, ".2f") for value in (row.dice_trabecular, row.inside)]
        yield f"| {row.scan} | {row.seen} | {row.level} | {' | '.join(cells)} |"
    one = table.iloc[0]
    yield ""
    yield (
        f"Simulated scans: seed {one['seed']}; the line to density is assumed (120 kVp). "
        f"Commit {one['commit']}; machine: {one['machine']}."
    )


def _shown(value: float, form: str) -> str:
    return "–" if pd.isna(value) else format(value, form)


if __name__ == "__main__":
    main()
