"""A finished explanation: its tables, its figures, and a page for one radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.judge.controls import CONTROLS as CONTROL_NAMES
from xattn_bmd.report.explanations import (
    ATTENTION,
    CONTRIBUTIONS,
    CONTROLS,
    CURVES,
    HEAT,
    OVERLAP,
    ZONES,
    StoredExplanation,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAPS, ATTENTION_MAPS = "heat.npy", "attention.npy"
CONTROL_MAPS = "heat_{}.npy"
FIGURES, SHEETS = "figures", "sheets"


@dataclass(frozen=True)
class Explanation:
    """A finished explanation.

    Attributes:
        folder: where its files lie.
        model: name of the model.
        method: name of the heat method.
        simulated: whether the radiographs, or those that the model learned from, are simulated.
    """

    folder: Path
    model: str
    method: str
    simulated: bool

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Open what :func:`~xattn_bmd.explanation.explain.explain` wrote.

        Raises:
            RunError: if the folder holds no finished explanation.
        """
        facts = StoredExplanation.open(Path(folder)).facts
        return cls(Path(folder), facts["model"], facts["method"], facts["simulated"])

    @cached_property
    def heat(self) -> pd.DataFrame:
        """One row per radiograph: estimate, fold models, sums of its heat, and every score of every region."""
        return self._stored.table(HEAT)

    @cached_property
    def overlap(self) -> pd.DataFrame:
        """Scores of the trained model and of its controls with 95 % intervals; empty without masks."""
        return self._stored.table(OVERLAP)

    @cached_property
    def controls(self) -> pd.DataFrame:
        """Scores of the controls, one row per radiograph and control; empty without masks or controls."""
        return self._stored.table(CONTROLS)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Mean deletion and insertion curves and their areas; empty where none were asked for."""
        return self._stored.table(CURVES)

    @cached_property
    def zones(self) -> pd.DataFrame:
        """Share of the heat in each zone of a box, by estimated class; empty without masks."""
        return self._stored.table(ZONES)

    @cached_property
    def attention(self) -> pd.DataFrame:
        """How gathered each variable's attention is, by head; empty for a model without such attention."""
        return self._stored.table(ATTENTION)

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """What the picture and each variable add to every estimate; empty where none were given."""
        return self._stored.table(CONTRIBUTIONS)

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """Heat ``(N, h, w)`` in the order of :attr:`heat`, in the pose of the pictures that the network saw."""
        return np.asarray(np.load(self.folder / MAPS, mmap_mode="r", allow_pickle=False))

    @cached_property
    def control_maps(self) -> dict[str, NDArray[np.float32]]:
        """Heat ``(N, h, w)`` of each control by its name, as :attr:`maps`; empty without controls."""
        found = {name: self.folder / CONTROL_MAPS.format(name) for name in CONTROL_NAMES}
        return {
            name: np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            for name, path in found.items()
            if path.is_file()
        }

    @cached_property
    def attention_maps(self) -> NDArray[np.float32] | None:
        """Attention ``(N, V, H, h, w)`` by variable and head; None for a model without such attention."""
        path = self.folder / ATTENTION_MAPS
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False)) if path.is_file() else None

    def figures(self) -> dict[str, Figure]:
        """Return its figures by name; the same lie in ``figures/`` as SVG and PNG."""
        return self._stored.figures()

    @property
    def _stored(self) -> StoredExplanation:
        return StoredExplanation.open(self.folder)
