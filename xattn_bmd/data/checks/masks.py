"""Checks of the masks: their join with the table, and each one against its radiograph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xattn_bmd.data.checks.problem import Problem, listed
from xattn_bmd.data.masks.match import MaskMatch, mask_name
from xattn_bmd.errors import CohortError, SimulationError


def check_masks(masks: MaskMatch) -> list[Problem]:
    """Return every fault of the join of masks and radiographs, and in a warning each who is left out.

    Args:
        masks: how files were matched.
    """
    found = check_mask_files(masks)
    if masks.folder is None or masks.fault is not None:
        return found
    if not masks.paths and not masks.ambiguous:
        return [*found, Problem("no_mask_matches", _none_message(masks, masks.folder))]
    if masks.without_row:
        message = (
            f"Every mask belongs to a row of the table, but {len(masks.without_row)} file(s) do not: "
            f"{listed(_names(masks.without_row, masks.folder))}; they are not used here: mend the names, or leave them."
        )
        found.append(Problem("mask_without_row", message, severity="warning"))
    if masks.without_mask:
        message = (
            f"A mask head learns from radiographs that have a mask, but {len(masks.without_mask)} have none: "
            f"{listed(masks.without_mask)}; they train the density only: draw their masks, or leave them so."
        )
        found.append(Problem("no_mask", message, masks.without_mask, severity="warning"))
    return found


def check_mask_files(masks: MaskMatch) -> list[Problem]:
    """Return what forbids masks to be opened: nothing could be looked for, or several files fit one radiograph."""
    if masks.fault is not None:
        return [Problem("no_mask_folder", masks.fault)]
    problems = []
    for name, paths in masks.ambiguous.items():
        files = listed(_names(paths, masks.folder))
        message = f"A radiograph has one mask, but {name} has {len(paths)} ({files}); keep one, or name a subfolder."
        problems.append(Problem("several_masks", message, (name,)))
    return problems


def check_mask(name: str, masks: MaskMatch, *, shape: tuple[int, int]) -> list[Problem]:
    """Read the mask of one radiograph, if it has one, and return what is wrong with it.

    Args:
        name: radiograph id.
        masks: how files were matched.
        shape: rows and columns of the radiograph as read.
    """
    from xattn_bmd.data.masks.read import read_mask  # loads the decoders, which only this check needs

    path = masks.paths.get(name)
    if path is None:
        return []
    try:
        read_mask(path, shape=shape, region=masks.region)
    except (CohortError, SimulationError) as cause:
        return [Problem("unusable_mask", f"The mask of {name} cannot be used: {cause}", (name,))]
    return []


def _none_message(masks: MaskMatch, folder: Path) -> str:
    files = listed([mask_name(path) for path in masks.without_row]) or "no PNG or NIfTI file"
    return (
        f"Masks join the table by radiograph id, but no file in {folder} is named after a radiograph: it holds {files} "
        f"and the table {listed(masks.without_mask)}; rename the files."
    )


def _names(paths: Iterable[Path], folder: Path | None) -> list[str]:
    return [path.name if folder is None else path.relative_to(folder).as_posix() for path in paths]
