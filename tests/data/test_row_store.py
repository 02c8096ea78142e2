"""Rows of an array, gathered the same way wherever it lies."""

import logging

import numpy as np
import pytest
import torch

from xattn_bmd.data import row_store
from xattn_bmd.data.row_store import RowStore

ARRAY = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(6, 4, 5)
CPU = torch.device("cpu")


def test_rows_and_views_are_those_of_the_array():
    store = RowStore(ARRAY, device=CPU)
    row, view = torch.tensor([5, 0, 0]), torch.tensor([3, 0, 2])
    np.testing.assert_array_equal(store.take(row), ARRAY[[5, 0, 0]])
    np.testing.assert_array_equal(store.take(row, view), ARRAY[[5, 0, 0], [3, 0, 2]])


def test_a_memory_map_is_read_where_it_lies(tmp_path):
    np.save(tmp_path / "array.npy", ARRAY)
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    store = RowStore(mapped, device=CPU)
    assert not store.resident
    taken = store.take(torch.tensor([1]))
    np.testing.assert_array_equal(taken, ARRAY[[1]])
    taken.zero_()
    np.testing.assert_array_equal(store.take(torch.tensor([1])), ARRAY[[1]])


@pytest.mark.parametrize("fits", [True, False])
def test_an_accelerator_holds_the_array_only_where_it_fits(fits, monkeypatch, caplog):
    """torch's device without data stands for a GPU: it has every shape and type, and needs no driver."""
    monkeypatch.setattr(row_store, "_fits", lambda needed, device, *, share: fits)
    with caplog.at_level(logging.WARNING):
        store = RowStore(ARRAY, device=torch.device("meta"))
    assert store.resident is fits
    assert ("streamed" in caplog.text) is not fits
    taken = store.take(torch.tensor([1, 2]))
    assert taken.shape == (2, 4, 5) and taken.device.type == "meta"


@pytest.mark.parametrize(("free", "share", "expected"), [(1000, 0.5, True), (959, 0.5, False), (959, 0.6, True)])
def test_the_share_of_free_memory_decides(free, share, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10 * free))
    assert row_store._fits(ARRAY.nbytes, torch.device("cuda"), share=share) is expected
