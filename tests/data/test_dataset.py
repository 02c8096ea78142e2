"""Batches gathered on a device: the right rows, turned, from pictures or stored maps."""

import pickle  # noqa: TID251  (what dask does to a study; nothing of ours is stored this way)

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.data.dataset import CohortArrays, CohortImages, DeviceCohort, Pictures, RowDataset, row_blocks
from xattn_bmd.data.variables import EncodedVariables

CPU = torch.device("cpu")
N = 7


def _pictures():
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 65536, size=(N, 8, 6), dtype=np.uint16)
    pixels[0, 0, :3] = [0, 32768, 65535]
    return Pictures(pixels=pixels, right_side=np.arange(N) % 2 == 1)


def _arrays(images):
    generator = np.random.default_rng(1)
    variables = EncodedVariables(
        numeric=generator.normal(size=(N, 2)).astype(np.float32),
        codes=generator.integers(0, 3, size=(N, 1)),
        missing=generator.random((N, 3)) < 0.3,
    )
    return CohortArrays(images=images, variables=variables, targets=np.linspace(0.5, 1.1, N))


@given(rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=12))
def test_pictures_are_scaled_and_right_hips_turned(rows):
    pictures = _pictures()
    taken = pictures.take(np.array(rows)).numpy()
    for position, row in enumerate(rows):
        grey = pictures.pixels[row].astype(np.float32) / np.float32(65535)
        np.testing.assert_array_equal(taken[position, 0], grey[:, ::-1] if pictures.right_side[row] else grey)


def test_a_batch_holds_every_part_of_its_rows():
    arrays = _arrays(CohortImages(_pictures()))
    row = torch.tensor([4, 1])
    batch = DeviceCohort(arrays, CPU).batch(row)
    np.testing.assert_array_equal(batch.variables.numeric, arrays.variables.numeric[[4, 1]])
    np.testing.assert_array_equal(batch.variables.codes, arrays.variables.codes[[4, 1]])
    np.testing.assert_array_equal(batch.variables.missing, arrays.variables.missing[[4, 1]])
    np.testing.assert_array_equal(batch.target, arrays.targets[[4, 1]].astype(np.float32))
    assert torch.equal(batch.row, row) and batch.features is None
    assert torch.equal(batch.image, _pictures().take(np.array([4, 1])))


def test_stored_maps_stand_for_the_pictures_one_view_each():
    maps = np.random.default_rng(2).normal(size=(N, 3, 5, 2, 2)).astype(np.float32)
    cohort = DeviceCohort(_arrays(CohortImages(_pictures(), features=maps)), CPU)
    row = torch.tensor([6, 2])
    np.testing.assert_array_equal(cohort.batch(row).features, maps[[6, 2], 0])
    np.testing.assert_array_equal(cohort.batch(row, view=torch.tensor([2, 1])).features, maps[[6, 2], [2, 1]])


def test_a_record_alone_needs_no_picture():
    batch = DeviceCohort(_arrays(None), CPU).batch(torch.tensor([0]))
    assert batch.features is None and batch.image.shape == (1, 1, 1, 1)


def test_copies_on_a_device_do_not_travel_to_other_processes():
    images = CohortImages(_pictures(), content_hashes={"a": "1"})
    images.pixels(torch.tensor([0]), CPU)
    assert images._pixel_stores
    other = pickle.loads(pickle.dumps(images))
    assert not other._pixel_stores and other.content_hashes == {"a": "1"}
    assert torch.equal(other.pixels(torch.tensor([3]), CPU), images.pixels(torch.tensor([3]), CPU))


def test_the_loader_carries_row_numbers_alone():
    part = RowDataset([9, 4, 7])
    assert part.__getitems__([2, 0]).tolist() == [7, 9] and int(part[1]) == 4 and len(part) == 3


def test_a_memory_map_travels_as_the_name_of_its_file(tmp_path):
    pictures = _pictures()
    np.save(tmp_path / "pixels.npy", pictures.pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    images = CohortImages(Pictures(pixels=mapped, right_side=pictures.right_side))
    other = pickle.loads(pickle.dumps(images))
    assert isinstance(other.pictures.pixels, np.memmap)
    np.testing.assert_array_equal(other.pictures.pixels, pictures.pixels)
    part = CohortImages(Pictures(pixels=mapped[2:5], right_side=pictures.right_side[2:5]))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)).pictures.pixels, pictures.pixels[2:5])


@pytest.mark.parametrize("total", [0, 1, 32, 33])
def test_blocks_cover_every_row_once(total):
    blocks = list(row_blocks(total))
    assert [int(row) for block in blocks for row in block] == list(range(total))
