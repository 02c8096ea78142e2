"""Masks join a cohort by id; what does not fit is listed, and a missing mask is allowed."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.cohorts import ROLES
from tests.data.masks.drawn import drawn, drawn_cohort
from xattn_bmd import Cohort
from xattn_bmd.data.masks.match import MASK_SUFFIXES, mask_name
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import ConfigError


def test_masks_are_found_by_id_and_both_sides_are_told_of(tmp_path):
    cohort = drawn_cohort(tmp_path, n=4, without=(2,))
    shutil.copyfile(tmp_path / "masks" / "hip_000.png", tmp_path / "masks" / "stranger.png")
    masks = Cohort.from_csv(tmp_path / "cohort.csv", masks=tmp_path / "masks").masks
    assert masks.paths == {f"hip_{row:03d}": tmp_path / "masks" / f"hip_{row:03d}.png" for row in (0, 1, 3)}
    assert masks.without_mask == ("hip_002",)
    assert masks.without_row == (tmp_path / "masks" / "stranger.png",)
    assert cohort.masks.folder == tmp_path / "masks" and cohort.masks.region is None


def test_a_cohort_without_masks_has_an_empty_match(tmp_path):
    drawn_cohort(tmp_path, n=2)
    masks = Cohort.from_csv(tmp_path / "cohort.csv").masks
    assert masks.folder is None and not masks.paths and not masks.without_mask


def test_the_roles_may_name_the_folder_and_the_argument_wins(tmp_path):
    drawn_cohort(tmp_path, n=3)
    shutil.copytree(tmp_path / "masks", tmp_path / "own" / "neck")
    (tmp_path / "own" / "neck" / "hip_000.png").unlink()
    (tmp_path / "cohort.yaml").write_text(yaml.safe_dump(ROLES | {"masks": "own/neck"}))
    named = Cohort.from_csv(tmp_path / "cohort.csv")
    assert named.masks.folder == tmp_path / "own" / "neck" and len(named.masks.paths) == 2
    assert len(Cohort.from_csv(tmp_path / "cohort.csv", masks=tmp_path / "masks").masks.paths) == 3
    assert CohortRoles.from_dict(named.roles.to_dict()) == named.roles
    with pytest.raises(ConfigError, match="masks"):
        CohortRoles.from_dict(ROLES | {"masks": ["own"]})


def test_a_table_in_memory_joins_masks_too(tmp_path):
    drawn_cohort(tmp_path, n=3)
    roles = CohortRoles.from_dict(ROLES | {"masks": "masks"})
    table = pd.read_csv(tmp_path / "cohort.csv", dtype=str)
    assert len(Cohort.from_table(table, roles=roles, masks=str(tmp_path / "masks")).masks.paths) == 3
    assert len(Cohort.from_table(table, roles=roles, table_folder=tmp_path).masks.paths) == 3
    assert Cohort.from_table(table, roles=roles).masks.folder is None


def test_rows_keep_their_masks_in_another_order_and_in_a_part(tmp_path):
    cohort = drawn_cohort(tmp_path, n=5, without=(1, 4))
    shutil.copyfile(tmp_path / "masks" / "hip_000.png", tmp_path / "masks" / "stranger.png")
    table = pd.read_csv(tmp_path / "cohort.csv", dtype=str).iloc[::-1]
    other = Cohort.from_table(table, roles=cohort.roles, masks=tmp_path / "masks").in_id_order()
    assert other.masks.paths == cohort.masks.paths and other.radiograph_ids == cohort.radiograph_ids
    part = other.subset(["hip_001", "hip_003"])
    assert list(part.masks.paths) == ["hip_003"] and part.masks.without_mask == ("hip_001",)
    assert part.masks.without_row == () and part.masks.folder == tmp_path / "masks"


def test_where_masks_lie_does_not_change_what_a_table_is(tmp_path):
    cohort = drawn_cohort(tmp_path, n=3)
    plain = Cohort.from_csv(tmp_path / "cohort.csv")
    (tmp_path / "cohort.yaml").write_text(yaml.safe_dump(ROLES | {"masks": "masks"}))
    named = Cohort.from_csv(tmp_path / "cohort.csv")
    assert named.masks.paths and plain.fingerprint == cohort.fingerprint == named.fingerprint


def test_hidden_and_other_files_are_no_masks(tmp_path):
    cohort = drawn_cohort(tmp_path, n=2)
    (tmp_path / "masks" / "._hip_000.png").write_bytes(b"")
    (tmp_path / "masks" / "notes.txt").write_text("drawn by AB")
    again = Cohort.from_csv(tmp_path / "cohort.csv", masks=tmp_path / "masks").masks
    assert again.paths == cohort.masks.paths and again.without_row == ()


@given(
    name=st.text("aB7._ -", min_size=1, max_size=12).filter(lambda name: not name.startswith(".")),
    end=st.sampled_from(["", ".nii", ".png"]),
    suffix=st.sampled_from([*MASK_SUFFIXES, ".npz"]),
)
def test_any_id_is_read_back_from_the_name_of_its_file(name, end, suffix):
    assert mask_name(Path(f"{name}{end}{suffix}")) == mask_name(Path(f"{name}{end}{suffix.upper()}")) == f"{name}{end}"


def test_truth_is_named_with_its_region(tmp_path):
    drawn_cohort(tmp_path, n=2)
    (tmp_path / "truth").mkdir()
    packed = np.packbits(drawn(0) > 0)
    shape = np.array(drawn(0).shape, dtype=np.int32)
    for row in range(2):
        np.savez_compressed(tmp_path / "truth" / f"hip_{row:03d}.npz", shape=shape, clavicle=packed, ribs=packed)
    table = tmp_path / "cohort.csv"
    masks = Cohort.from_csv(table, masks=tmp_path / "truth" / "clavicle").masks
    assert len(masks.paths) == 2 and masks.region == "clavicle" and masks.folder == tmp_path / "truth"
    for wrong, words in (("truth", "no region was named"), ("truth/neck", "'neck' was asked for")):
        problems = Cohort.from_csv(table, masks=tmp_path / wrong).check()
        (error,) = [problem for problem in problems if "simulated" in problem.message]
        assert error.kind == "no_mask_folder" and words in error.message
        assert "holds clavicle, ribs; give for example" in error.message
