"""Where on the vertebral body a network looks, class by class, beside what it would show if it knew nothing.

Axes: ``N`` crops, ``h, w`` rows and columns of the heat, ``C`` cells a side of the normalised map, ``Z`` zones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.explanation.body.compare import Labelled, Zoned, dealt_classes
from xattn_bmd.explanation.body.points import MARGIN
from xattn_bmd.explanation.body.warp import normalised_maps
from xattn_bmd.explanation.body.zones import zone_edges, zone_means
from xattn_bmd.explanation.judge.parts import Sign
from xattn_bmd.seeds import derive_seed

if TYPE_CHECKING:
    import pandas as pd

TRAINED, PERMUTED = "trained", "permuted_labels"


@dataclass(frozen=True, eq=False)
class HeatByZone:
    """Heat of vertebral bodies by zone and class.

    Attributes:
        maps: mean normalised map ``(C, C)`` by ``trained`` or control, then by class: rows from above, columns from the
            anterior wall; each crop's map has a mean of 1, so 1 is chance.  NaN where no crop shows anything.
        zones: zone values and classes by ``trained`` or control, and ``permuted_labels``.
        classes: classes, in order.
        patients: ``(N,)`` patient of each crop.
        margin: share of the body on each side that is looked at.
        simulated: whether the radiographs are simulated.
        seed: seed of the bootstrap and of the permuted labels.
        replicates: number of bootstrap replicates.
    """

    maps: Mapping[str, Mapping[str, NDArray[np.float64]]]
    zones: Mapping[str, Labelled]
    classes: tuple[str, ...]
    patients: tuple[str, ...]
    margin: float
    simulated: bool
    seed: int
    replicates: int

    def table(self) -> pd.DataFrame:
        """Return the mean heat of every class and zone as a multiple of chance, with patient-bootstrap 95 % intervals.

        ``heat_of`` is ``trained``, a control, or ``permuted_labels``: the trained network's heat with the classes of
        other patients.  ``n`` and ``patients`` are those whose crops have heat and show the zone.
        """
        return self._joined([one.table(name) for name, one in self._zoned.items()])

    def tests(self) -> pd.DataFrame:
        """Return every two classes compared in every zone: difference of their means, interval, p, and p after Holm.

        From the bootstrap of patients.  With few patients in a class it finds differences too often: look at what it
        finds with ``permuted_labels``.
        """
        return self._joined([one.tests(name) for name, one in self._zoned.items()])

    def figure(self, path: str | Path) -> Path:
        """Draw the mean map of every class with the zones, and write it as PNG, and as SVG beside it.

        Args:
            path: file that ends in ``.png``.

        Raises:
            MetricError: if the name ends otherwise.
            RunError: if the disk is full or cannot be written.
        """
        from xattn_bmd.report.figures.body_heat import body_heat
        from xattn_bmd.report.figures.save import save_figure

        target = Path(path)
        if target.suffix != ".png":
            raise MetricError(f"A figure is written as NAME.png, but {target.name} was given; mend the name.")
        drawn = body_heat(self.maps, edges=zone_edges(), margin=self.margin, simulated=self.simulated)
        save_figure(drawn, target.with_suffix(""))
        return target

    @cached_property
    def _zoned(self) -> dict[str, Zoned]:
        return {
            name: Zoned(
                labelled, patients=self.patients, names=self.classes, seed=self.seed, replicates=self.replicates
            )
            for name, labelled in self.zones.items()
        }

    def _joined(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        return pd.concat(tables, ignore_index=True).assign(simulated=self.simulated)


def heat_by_zone(
    heat: NDArray[np.float32],
    *,
    points: NDArray[np.float64],
    classes: Sequence[str],
    patients: Sequence[str],
    controls: Mapping[str, NDArray[np.float32]] | None = None,
    names: Sequence[str] | None = None,
    picture: tuple[int, int] | None = None,
    fields: NDArray[np.float64] | None = None,
    margin: float = MARGIN,
    sign: Sign = "positive",
    simulated: bool = False,
    seed: int = 0,
    replicates: int = 2000,
) -> HeatByZone:
    """Measure heat by zone of the vertebral body, and compare classes.

    Every body is brought to the unit square, each map is scaled to a mean of 1 there, and the mean of each zone
    (:data:`~xattn_bmd.explanation.body.zones.ZONES`) is a multiple of chance: heat spread evenly has 1 everywhere.  For
    any network: heat is an array, classes are what was true or what was predicted.

    Args:
        heat: ``(N, h, w)`` heat of each crop, such as :attr:`Explanation.maps
            <xattn_bmd.explanation.result.Explanation.maps>`.
        points: ``(N, 4, 2)`` corners or ``(N, 6, 2)`` points of each body, x and y, pixels of the picture: upper
            anterior to upper posterior, then lower anterior to lower posterior.
        classes: ``(N,)`` class of each crop.
        patients: ``(N,)`` patient of each crop; the bootstrap draws patients.
        controls: heat of networks that cannot know, by name: ``random_weights``, say.
        names: classes in the order of tables and figure; None takes the alphabet.
        picture: rows and columns of the picture over which the heat is spread; None takes those of the heat.
        fields: ``(N, 4)`` ``x0, y0, x1, y1`` of each picture without black padding; None takes all of it.
        margin: share of the body on each side that is looked at, as the zone ``outside``.
        sign: ``"positive"``, what speaks for the answer, or ``"absolute"``, heat without its sign.
        simulated: whether the radiographs are simulated: tables and figure then say so.
        seed: seed of the bootstrap and of the permuted labels.
        replicates: number of bootstrap replicates.

    Raises:
        MetricError: if shapes do not match, there are fewer than two classes, or points go round no body.

    Example:
        >>> heat = np.zeros((4, 8, 8), np.float32)
        >>> heat[:, 3:5, 1:3] = 1.0  # at the anterior wall
        >>> corners = np.tile(np.array([[1.0, 1.0], [7.0, 1.0], [1.0, 7.0], [7.0, 7.0]]), (4, 1, 1))
        >>> found = heat_by_zone(heat, points=corners, classes=["old", "fresh"] * 2, patients=["a", "b", "c", "d"])
        >>> table = found.table().query("heat_of == 'trained'").set_index(["class", "zone"])["value"]
        >>> bool(table["old", "anterior wall"] > 3 > 1 > table["old", "outside"])
        True
    """
    given = {TRAINED: heat, **(controls or {})}
    order = _checked(given, classes=classes, patients=patients, names=names)
    own = np.asarray(classes, dtype=str)
    maps, zones = {}, {}
    for name, each in given.items():
        normalised = normalised_maps(each, points, picture=picture, fields=fields, margin=margin, sign=sign)
        zones[name] = Labelled(zone_means(normalised, margin=margin), own)
        maps[name] = {one: _mean_map(normalised[own == one]) for one in order}
    generator = np.random.default_rng(derive_seed(seed, PERMUTED))
    zones[PERMUTED] = Labelled(zones[TRAINED].values, dealt_classes(classes, patients, generator=generator))
    return HeatByZone(maps, zones, order, tuple(map(str, patients)), margin, simulated, seed, replicates)


def _checked(
    given: Mapping[str, NDArray[np.float32]],
    *,
    classes: Sequence[str],
    patients: Sequence[str],
    names: Sequence[str] | None,
) -> tuple[str, ...]:
    lengths = {name: len(each) for name, each in given.items()} | {"classes": len(classes), "patients": len(patients)}
    if len(set(lengths.values())) > 1:
        raise MetricError(f"Heat, controls, classes and patients are of the same crops, but {lengths} were given.")
    if PERMUTED in given:
        raise MetricError(f"{PERMUTED!r} is made here from the trained network's heat; name the control otherwise.")
    found = sorted(set(map(str, classes)))
    order = tuple(names) if names is not None else tuple(found)
    if len(found) < 2:
        raise MetricError(f"Zones are compared between two classes or more, but {found} was given; give both kinds.")
    if sorted(order) != found:
        raise MetricError(f"names orders the classes that occur, {found}, but {list(order)} was given; mend it.")
    return order


def _mean_map(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    known = ~np.isnan(maps)
    cells = known.sum(axis=0)
    total = np.where(known, maps, 0.0).sum(axis=0, dtype=np.float64)
    return np.asarray(np.divide(total, cells, out=np.full(total.shape, np.nan), where=cells > 0))
