"""Masks of anatomy, brought into the pose of the picture that a network sees.

Axes: ``H, W`` rows and columns of the radiograph's file, ``S`` side of the network's square picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.masks.placed import placed_share
from xattn_bmd.data.masks.read import read_levels
from xattn_bmd.data.masks.truth import read_truth
from xattn_bmd.data.preprocess import frame_of
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import CohortError

TRUTH_REGIONS = ("neck", "femur", "pelvis")
"""Regions of a simulated hip; the neck is the box of its DXA scan, part of the femur."""

BACKGROUND, FIELD = "background", "field"


@dataclass(frozen=True)
class Masks:
    """A folder of masks.

    Attributes:
        folder: ``truth/`` of a simulated cohort, with one ``ID.npz`` per radiograph; or ``REGION/ID.png`` (any number
            of regions), or ``ID.png``, which is the region ``mask``.  A pixel above 0 lies inside.
        regions: names of the regions.
    """

    folder: Path
    regions: tuple[str, ...]

    @classmethod
    def open(cls, folder: str | Path, *, radiograph_ids: Sequence[str]) -> Masks:
        """Find the masks of some radiographs; none is read.

        Args:
            folder: where they lie.
            radiograph_ids: whose masks are wanted.

        Raises:
            CohortError: if there is no mask at all, or a radiograph has none.
        """
        folder = Path(folder)
        if any(folder.glob("*.npz")):
            found = cls(folder, TRUTH_REGIONS)
        elif any(folder.glob("*.png")):
            found = cls(folder, ("mask",))
        else:
            found = cls(folder, tuple(sorted({path.parent.name for path in folder.glob("*/*.png")})))
        found._require_all(radiograph_ids)
        return found

    def of(self, name: str, *, shape: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
        """Return the masks of one radiograph as its file shows it, ``(H, W)`` bool by region.

        Args:
            name: radiograph id.
            shape: rows and columns of the radiograph's file.

        Raises:
            CohortError: if a mask has another size than the radiograph, or is no image.
            SimulationError: if a truth file is damaged.
        """
        masks = {region: read_levels(path) != 0 for region, path in self._paths(name).items() if path.suffix == ".png"}
        if not masks:
            masks = read_truth(self.folder / f"{name}.npz", TRUTH_REGIONS)
        for region, mask in masks.items():
            if mask.shape != shape:
                raise CohortError(
                    f"A mask has the size of its radiograph's file, but {region} of {name} has {mask.shape[0]} x "
                    f"{mask.shape[1]} pixels and the radiograph {shape[0]} x {shape[1]}; draw it on the file itself."
                )
        return masks

    def _paths(self, name: str) -> dict[str, Path]:
        if self.regions == TRUTH_REGIONS and (self.folder / f"{name}.npz").is_file():
            return dict.fromkeys(self.regions, self.folder / f"{name}.npz")
        if self.regions == ("mask",):
            return {"mask": self.folder / f"{name}.png"}
        return {region: self.folder / region / f"{name}.png" for region in self.regions}

    def _require_all(self, radiograph_ids: Sequence[str]) -> None:
        if not self.regions:
            raise CohortError(
                f"A folder of masks holds ID.npz, ID.png or REGION/ID.png, but {self.folder} holds none; give truth/ "
                "of a simulated cohort, or a folder of your own masks."
            )
        missing = [name for name in radiograph_ids if not all(path.is_file() for path in self._paths(name).values())]
        if missing:
            raise CohortError(
                f"Every radiograph that is judged has its masks under its own id, but {listed(missing)} "
                f"{'has' if len(missing) == 1 else 'have'} none in {self.folder}; name the files by radiograph id, or "
                "leave these rows out of the table."
            )


def seen_masks(masks: Masks, cohort: Cohort, *, image: ImageConfig) -> dict[str, NDArray[np.float32]]:
    """Return the masks of radiographs, changed exactly as the pictures were: cut, resized, padded, right hips mirrored.

    Args:
        masks: the folder.
        cohort: ``B`` radiographs, with their files.
        image: how a file becomes a picture.

    Returns:
        ``(B, S, S)`` float32 by region: the share of each pixel that the region covers.  Beside the given regions there
        are ``background`` (the field outside all of them) and ``field`` (the picture without its black padding).

    Raises:
        CohortError: if a mask has another size than its radiograph.
        RadiographError: if a radiograph's file cannot be read.
    """
    each = [
        _seen(masks, name, path, side=side, image=image)
        for (name, path), side in zip(cohort.image_paths.items(), cohort.sides, strict=True)
    ]
    return {region: np.stack([one[region] for one in each]) for region in each[0]}


def _seen(
    masks: Masks, name: str, path: Path, *, side: str | None, image: ImageConfig
) -> dict[str, NDArray[np.float32]]:
    radiograph = read_radiograph(path)
    frame = frame_of(radiograph, image)
    given = masks.of(name, shape=(radiograph.pixels.shape[0], radiograph.pixels.shape[1]))
    outside = ~np.logical_or.reduce(list(given.values()))
    whole = {**given, BACKGROUND: outside, FIELD: np.ones_like(outside)}
    placed = {region: placed_share(mask, frame=frame, size=image.size) for region, mask in whole.items()}
    return {region: np.ascontiguousarray(mask[:, ::-1]) if side == "R" else mask for region, mask in placed.items()}
