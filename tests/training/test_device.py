"""What an accelerator's name means."""

import pytest
import torch

from xattn_bmd.errors import ConfigError
from xattn_bmd.training.device import torch_device


@pytest.mark.parametrize(
    ("name", "cuda", "mps", "device"),
    [
        ("auto", True, False, "cuda"),
        ("auto", False, True, "mps"),
        ("auto", False, False, "cpu"),
        ("gpu", False, True, "mps"),
        ("cpu", True, True, "cpu"),
    ],
)
def test_the_best_present_device_is_taken(monkeypatch, name, cuda, mps, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert torch_device(name).type == device


def test_an_absent_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="this machine has none"):
        torch_device("gpu")


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="'tpu9'"):
        torch_device("tpu9")
