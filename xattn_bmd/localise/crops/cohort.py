"""A cohort of crops: one row per box, of the same patients, ready for any comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import yaml

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.data.roles import ClassRole, CohortRoles
from xattn_bmd.errors import ConfigError, LocaliseError
from xattn_bmd.localise.boxes.table import CORNERS, check_boxes, in_reading_order, raise_problems, require_boxes
from xattn_bmd.localise.crops.field import crop_field
from xattn_bmd.localise.crops.file import crop_bytes, whole_levels
from xattn_bmd.localise.problems import OnProblem, tell

CROP_COLUMNS = ("source_radiograph", "box_label", "box_number", "crop_x0", "crop_y0", "crop_x1", "crop_y1")
"""Columns that a table of crops has beside those of its cohort: where each crop comes from, pixels of its source."""

_TABLE, _ROLES, _IMAGES = "cohort.csv", "cohort.yaml", "images"
_PATIENT = "source_patient"  # where one column was both radiograph and patient


def crop_cohort(
    cohort: Cohort,
    boxes: pd.DataFrame,
    *,
    out: str | Path,
    margin: float = 0.1,
    named_by: str | None = None,
    target: ClassRole | None = None,
    on_problem: OnProblem = "raise",
) -> Cohort:
    """Cut every box out of its radiograph at full resolution and make a cohort of the crops.

    A crop is called ``RADIOGRAPH_LABEL_NN``, numbered from top to bottom within its label, or ``RADIOGRAPH-NAME`` where
    a column of ``boxes`` names them (the level of each vertebra, say).  Its row repeats that of its
    radiograph, so the patient stays and no fold divides one; further columns of ``boxes`` (a class of each vertebra,
    say) come along.  Grey levels, orientation and spacing are those of the radiograph as displayed: see
    :mod:`xattn_bmd.localise.crops.file`.  A margin is cut at the radiograph's edge, and a crop has 32 rows and columns
    at least.

    Args:
        cohort: radiographs with their images.
        boxes: drawn or located boxes.
        out: new folder: ``images/``, ``cohort.csv`` and ``cohort.yaml``; whole or absent.
        margin: share of a box's width and height that is added on each side.
        named_by: column of ``boxes`` that names each box within its radiograph; None numbers them.
        target: the crops' class, a column of ``boxes``; None keeps the target of the radiographs.
        on_problem: what happens where a radiograph has no box: ``"raise"``, or ``"warn"`` to leave it out.

    Returns:
        The cohort in ``out``.

    Raises:
        CohortError: listing every problem of the cohort and its images.
        LocaliseError: listing every problem of the boxes or crops, or if ``out`` exists.
        ConfigError: if a setting is impossible.
    """
    out = Path(out)
    if not 0 <= margin <= 2:
        raise ConfigError(f"margin is a share of the box from 0 to 2, but {margin} was given; 0.1 is usual.")
    if out.exists():
        raise LocaliseError(f"Crops are written into a new folder, but {out} exists; choose another name.")
    cohort.require_valid(require_target=False)
    crops = _named_crops(cohort, boxes, named_by=named_by, on_problem=on_problem)
    roles = _roles(cohort, crops, target=target)
    with atomic_folder(out, error=LocaliseError) as folder:
        (folder / _IMAGES).mkdir()
        crops = _write_crops(crops, cohort, folder / _IMAGES, margin=margin)
        _table(crops, cohort, roles).to_csv(folder / _TABLE, index=False)
        text = yaml.safe_dump(roles.to_dict(), sort_keys=False, allow_unicode=True)
        (folder / _ROLES).write_text(text, encoding="utf-8")
    return Cohort.from_csv(out / _TABLE)


def _named_crops(cohort: Cohort, boxes: pd.DataFrame, *, named_by: str | None, on_problem: OnProblem) -> pd.DataFrame:
    """Return the boxes in reading order, with the id of each crop as index and its number within its label."""
    names = cohort.radiograph_ids
    require_boxes(boxes)
    strangers = sorted(set(boxes["radiograph_id"]) - set(names))
    raise_problems(
        [f"Every box belongs to a radiograph of the cohort, but {listed(strangers)} does not."] * bool(strangers)
    )
    boxed = set(boxes["radiograph_id"])
    without = [name for name in names if name not in boxed]
    messages = [
        f"Every radiograph has a box, but {len(without)} have none: {listed(without)}; box them, or leave them out."
    ]
    tell(messages if without else [], on_problem=on_problem, what="The boxes")
    crops = in_reading_order(boxes, names)
    crops["box_number"] = crops.groupby(["radiograph_id", "label"]).cumcount() + 1
    crops.index = pd.Index(_crop_names(crops, named_by))
    unsafe = [name for name in crops.index if Path(name).name != name]
    twice = sorted(set(crops.index[crops.index.duplicated()]))
    found = [
        (unsafe, "The id of a crop names its file, but these cannot: {}; rename the radiographs or labels."),
        (twice, "Every crop has its own id, but these come twice: {}; rename the radiographs or labels."),
    ]
    raise_problems([message.format(listed(which)) for which, message in found if which])
    return crops


def _crop_names(crops: pd.DataFrame, named_by: str | None) -> list[str]:
    """Return the id of every crop."""
    if named_by is None:
        return [f"{row.radiograph_id}_{row.label}_{row.box_number:02d}" for row in crops.itertuples()]
    if named_by not in crops.columns:
        found = ", ".join(map(str, crops.columns))
        raise LocaliseError(f"Crops are named by a column of the boxes, but {named_by!r} is none of {found}; mend it.")
    nameless = crops.loc[crops[named_by].isna() | (crops[named_by].astype(str).str.strip() == ""), "radiograph_id"]
    raise_problems(
        [f"Every box has a {named_by}, but in {listed(sorted(set(nameless)))} it is empty."] * len(nameless[:1])
    )
    return [f"{name}-{which}" for name, which in zip(crops["radiograph_id"], crops[named_by], strict=True)]


def _write_crops(crops: pd.DataFrame, cohort: Cohort, folder: Path, *, margin: float) -> pd.DataFrame:
    """Write every crop's file and return the crops with the fields that they take."""
    fields, flat = {}, []
    for radiograph_id, part in crops.groupby("radiograph_id", sort=False):
        radiograph = read_radiograph(cohort.image_paths[str(radiograph_id)])
        levels = whole_levels(radiograph)
        raise_problems([problem.message for problem in check_boxes(part, sizes={str(radiograph_id): levels.shape})])
        for name, corners in zip(part.index, part[CORNERS].itertuples(index=False, name=None), strict=True):
            box = fields[name] = crop_field(corners, margin=margin, shape=levels.shape)
            cut = levels[box.top : box.bottom, box.left : box.right]
            if cut.min() == cut.max():
                flat.append(str(name))
            suffix, content = crop_bytes(cut, spacing_mm=radiograph.spacing_mm, name=str(name))
            (folder / f"{name}{suffix}").write_bytes(content)
    raise_problems([f"A crop shows more than one grey level, but {listed(flat)} do not; mend the boxes."] * bool(flat))
    sides = {f"crop_{name}": side for name, side in zip(CORNERS, ("left", "top", "right", "bottom"), strict=True)}
    return crops.assign(**{name: [getattr(box, side) for box in fields.values()] for name, side in sides.items()})


def _roles(cohort: Cohort, crops: pd.DataFrame, *, target: ClassRole | None) -> CohortRoles:
    """Return the roles of the crops: files are found by id, the patient has a column of its own, a class no T-score."""
    patient = _PATIENT if cohort.roles.patient == cohort.roles.id else cohort.roles.patient
    roles = replace(cohort.roles, image=None, patient=patient)
    if target is None:
        return roles
    if target.column not in crops.columns:
        raise LocaliseError(
            f"The class of a crop is a column of the boxes, but {target.column!r} is none of "
            f"{', '.join(map(str, crops.columns))}; add it."
        )
    return replace(roles, target=target, reference=None, masks=None)


def _table(crops: pd.DataFrame, cohort: Cohort, roles: CohortRoles) -> pd.DataFrame:
    """Return one row per crop: that of its radiograph, where it comes from, and what else was known of its box."""
    place = {name: row for row, name in enumerate(cohort.radiograph_ids)}
    source = cohort.table.iloc[[place[name] for name in crops["radiograph_id"]]].reset_index(drop=True)
    if cohort.roles.image is not None and cohort.roles.image != cohort.roles.id:
        source = source.drop(columns=cohort.roles.image)
    more = crops.rename(columns={"radiograph_id": "source_radiograph", "label": "box_label", "score": "box_score"})
    more = more.drop(columns=CORNERS).reset_index(drop=True)
    if roles.patient != cohort.roles.patient:
        more[roles.patient] = source[roles.id]
    taken = sorted(set(more.columns) & set(source.columns))
    raise_problems(
        [f"The table of crops adds columns, but the cohort or the boxes have {listed(taken)} already; rename them."]
        * bool(taken)
    )
    source[roles.id] = crops.index
    return pd.concat([source, more], axis=1)
