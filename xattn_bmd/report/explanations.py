"""Explanations as they are stored: what :func:`xattn_bmd.explanation.explain.explain` writes, read back.

Axes: ``M`` example radiographs, ``S`` side of a picture, ``h, w`` of a heat map, ``V`` clinical variables.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.scale import scale_of
from xattn_bmd.errors import RunError
from xattn_bmd.report.words import Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FACTS, EXAMPLES = "explanation.json", "examples.npz"
HEAT, OVERLAP, CONTROLS, CURVES = "heat.csv", "overlap.csv", "controls.csv", "curves.csv"
ZONES, ATTENTION, CONTRIBUTIONS = "zones.csv", "attention.csv", "contributions.csv"
FOLDER = "explanations"
"""Folder of a run in which the report looks for explanations."""

SIMULATED = "SIMULATED {}: no clinical evidence"


@dataclass(frozen=True)
class StoredExplanation:
    """An explanation's folder.

    Attributes:
        folder: where it lies.
        facts: what it was made with.
    """

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> StoredExplanation:
        """Open a finished explanation.

        Raises:
            RunError: if the folder holds none.
        """
        path = folder / FACTS
        if not path.is_file():
            raise RunError(
                f"The folder of an explanation holds {FACTS}, but {folder} does not; run the same `explain` command "
                "again."
            )
        try:
            return cls(folder, json.loads(path.read_text(encoding="utf-8")))
        except ValueError as cause:
            raise RunError(f"{path} is JSON, but it is damaged; delete the folder and explain again.") from cause

    @property
    def words(self) -> Words:
        """What images are called, and how densities are written; heat is drawn on radiographs alone."""
        return Words(scale=scale_of(get_reference(self.facts["reference"])))

    def table(self, name: str) -> pd.DataFrame:
        """Return one of its tables; empty where it has none of that name."""
        import pandas as pd

        path = self.folder / name
        texts = dict.fromkeys(("radiograph_id", "patient_id", "folds", "reason"), str)
        return pd.read_csv(path, dtype=texts).fillna({"reason": ""}) if path.is_file() else pd.DataFrame()

    def examples(self) -> dict[str, NDArray[Any]]:
        """Return its example radiographs.

        Returns:
            ``ids`` (M,), ``pictures`` (M, S, S) uint8, ``heat`` (M, h, w), ``density`` (M,), ``mean_picture``
            (S, S) uint8, ``mean_heat`` (h, w); where there are masks ``outlines`` (M, S, S) uint8; where the network
            attends ``attention`` (V, h, w) and ``variables`` (V,).

        Raises:
            RunError: if the file is missing or damaged.
        """
        try:
            with np.load(self.folder / EXAMPLES, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as cause:
            raise RunError(
                f"An explanation holds {EXAMPLES}, but that of {self.folder} cannot be read; delete the folder and "
                "explain again."
            ) from cause

    def figures(self) -> dict[str, Figure]:
        """Return its figures by name, drawn from its files."""
        from xattn_bmd.report.figures.heat_overlay import heat_overlay
        from xattn_bmd.report.figures.perturbation import perturbation
        from xattn_bmd.report.figures.region_heat import region_heat
        from xattn_bmd.report.figures.zone_profile import zone_profile

        found, words = self.examples(), self.words
        kind = f"; {SIMULATED.format(words.images)}" if self.facts["simulated"] else ""
        scale, coarse = words.scale, words.scale.decimals - 1
        pictures, outlines = _grey(found["pictures"]), _grey(found["outlines"]) if "outlines" in found else None
        names = [
            f"{name}\n{density:.{coarse}f} {scale.unit}"
            for name, density in zip(found["ids"], found["density"], strict=True)
        ]
        title = f"{self.facts['model']}, {self.facts['method']}: red raises, blue lowers{kind}"
        figures = {"heat": heat_overlay(pictures, found["heat"], names=names, title=title, outlines=outlines)}
        if (overlap := self.table(OVERLAP)).size:
            figures["region_heat"] = region_heat(overlap)
            figures["zone_profile"] = zone_profile(self.table(ZONES))
        if (curves := self.table(CURVES)).size:
            figures["perturbation"] = perturbation(curves, words=words)
        if "attention" in found:
            mean = np.broadcast_to(
                _grey(found["mean_picture"]), (len(found["variables"]), *found["mean_picture"].shape)
            )
            beyond = found["attention"] - 1 / found["attention"][0].size
            title = f"{self.facts['model']}: attention of each variable, red more than even, blue less{kind}"
            figures["attention"] = heat_overlay(mean, beyond, names=list(found["variables"]), title=title)
        return figures


def stored_explanations(run: Path) -> list[StoredExplanation]:
    """Return the explanations that lie in ``RUN/explanations/NAME``, by name; none where there are none."""
    return [StoredExplanation.open(path.parent) for path in sorted((run / FOLDER).glob(f"*/{FACTS}"))]


def _grey(levels: NDArray[Any]) -> NDArray[np.float32]:
    grey: NDArray[np.float32] = levels.astype(np.float32) / np.float32(255)
    return grey
