"""Checks of the join between table and image files, and of the pictures themselves."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from xattn_bmd.data.checks.image_files import ImageMatch, image_name
from xattn_bmd.data.checks.masks import check_mask
from xattn_bmd.data.checks.problem import Problem, listed
from xattn_bmd.data.checks.read_table import text_column
from xattn_bmd.data.checks.volume_files import check_one_kind, is_volume
from xattn_bmd.data.masks.match import MaskMatch
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import RadiographError, VolumeError
from xattn_bmd.types import Radiograph


def check_images(
    table: pd.DataFrame, *, roles: CohortRoles, images: ImageMatch, may_lack: bool = False
) -> list[Problem]:
    """Return rows without an image, images without a row, and rows that several or shared files fit.

    Args:
        table: cohort table.
        roles: what each column is for.
        images: how files were matched.
        may_lack: whether a row may come without an image: its cell of the images' column is empty, or neither a folder
            nor a file is named anywhere.
    """
    named = _named(table, roles=roles)
    if images.folder is None and may_lack and not any(named.values()):
        return []
    if images.folder is None:
        return [Problem("no_images", "Images are needed here, but no image folder was given; pass images=FOLDER.")]
    if roles.id not in table.columns:
        return []
    names = [name for name in text_column(table[roles.id]) if name is not None]
    problems = []
    for name, paths in images.ambiguous.items():
        files = listed([path.relative_to(images.folder).as_posix() for path in paths])
        message = f"A radiograph has one image file, but {name} has {len(paths)} ({files}); keep one."
        problems.append(Problem("several_images", message, (name,)))
    without = set() if roles.image is None or not may_lack else {name for name, file in named.items() if file is None}
    known = images.paths.keys() | images.ambiguous.keys() | without
    absent = [name for name in dict.fromkeys(names) if name not in known]
    if absent:
        problems.append(Problem("no_image", _absent_message(absent, roles=roles, images=images), tuple(absent)))
    if images.without_row:
        surplus = [path.relative_to(images.folder).as_posix() for path in images.without_row]
        message = (
            f"Every image belongs to a row of the table, but {len(surplus)} file(s) do not: {listed(surplus)}; "
            "add the rows, or move the files away."
        )
        problems.append(Problem("no_row", message))
    return problems + _shared_files(images) + check_one_kind(images.paths)


def _named(table: pd.DataFrame, *, roles: CohortRoles) -> dict[str | None, str | None]:
    """Return the file that each row names, by radiograph id; none where no column is declared for it."""
    if roles.image is None or not {roles.id, roles.image} <= set(table.columns):
        return {}
    return dict(zip(text_column(table[roles.id]), text_column(table[roles.image]), strict=True))


def check_pictures(images: ImageMatch, *, masks: MaskMatch) -> list[Problem]:
    """Decode every matched file; return unreadable ones, masks that do not fit, and pictures under two ids."""
    problems: list[Problem] = []
    radiographs_of: dict[str, list[str]] = {}
    for name, path in sorted(images.paths.items()):
        try:
            content, shape = _read(path)
        except (RadiographError, VolumeError) as cause:
            problems.append(Problem("unreadable_image", f"The image of {name} cannot be used: {cause}", (name,)))
            continue
        radiographs_of.setdefault(content, []).append(name)
        problems += [] if shape is None else check_mask(name, masks, shape=shape)
    for same in radiographs_of.values():
        if len(same) > 1:
            message = f"Each radiograph has its own picture, but {listed(same)} show the very same; keep one of them."
            problems.append(Problem("identical_images", message, tuple(same)))
    return problems


def _read(path: Path) -> tuple[str, tuple[int, int] | None]:
    """Return the fingerprint of a file's picture, and its rows and columns; None of a CT volume."""
    # these load the decoders, which only this check needs
    from xattn_bmd.data.radiograph import read_radiograph
    from xattn_bmd.data.volume import read_volume
    from xattn_bmd.data.volumes.picture import volume_hash

    if is_volume(path):
        return volume_hash(read_volume(path)), None
    radiograph = read_radiograph(path)
    return _picture_hash(radiograph), (radiograph.pixels.shape[0], radiograph.pixels.shape[1])


def _absent_message(absent: list[str], *, roles: CohortRoles, images: ImageMatch) -> str:
    if roles.image is not None:
        fix = f"mend the names in the column {roles.image}, or the image folder."
    elif near := _near(absent, [image_name(path) for path in images.without_row]):
        fix = f"{near[0]} and the file {near[1]} differ only in capitals or leading zeros: did a spreadsheet change it?"
    else:
        fix = (
            "a file is found by its name without suffix: rename it, or name the files in a column declared as 'image'."
        )
    return f"Every radiograph needs an image file, but {len(absent)} have none: {listed(absent)}; {fix}"


def _near(ids: Iterable[str], files: list[str]) -> tuple[str, str] | None:
    plain = {_plain(name): name for name in files}
    return next(((name, plain[_plain(name)]) for name in ids if _plain(name) in plain), None)


def _plain(name: str) -> str:
    return name.lower().lstrip("0")


def _shared_files(images: ImageMatch) -> list[Problem]:
    uses = Counter(path.resolve() for path in images.paths.values())
    problems = []
    for shared in sorted(path for path, count in uses.items() if count > 1):
        names = [name for name, path in images.paths.items() if path.resolve() == shared]
        message = f"An image belongs to one radiograph, but {shared.name} is named by {listed(names)}; mend the table."
        problems.append(Problem("shared_image", message, tuple(names)))
    return problems


def _picture_hash(radiograph: Radiograph) -> str:
    digest = hashlib.sha256(str(radiograph.pixels.shape).encode())
    digest.update(radiograph.pixels.tobytes())
    return digest.hexdigest()
