"""Threads of a fit: set inside, given back outside, also after an error."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from xattn_bmd.training.threads import compute_threads


def _pools():
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_torch_and_blas_use_the_wanted_number():
    before = torch.get_num_threads(), _pools()
    for count in (1, 2):
        with compute_threads(count):
            assert torch.get_num_threads() == count and _pools() == {count}
    assert (torch.get_num_threads(), _pools()) == before


def test_an_error_gives_the_threads_back():
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="stop"), compute_threads(before + 1):
        raise ValueError("stop")
    assert torch.get_num_threads() == before
