"""What an accelerator's name means, and the precision that suits a device."""

import pytest
import torch

from xattn_bmd.errors import ConfigError
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits import precision
from xattn_bmd.training.fits.precision import settled_precision


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


@pytest.mark.parametrize(
    ("words", "settled"),
    [
        ("flags : fpu avx512f avx512_bf16 amx_int8", "bf16-mixed"),
        ("flags : fpu amx_bf16", "bf16-mixed"),
        ("Features : fp asimd i8mm bf16", "bf16-mixed"),
        ("flags : fpu avx2 avx512f avx512_fp16", "32-true"),
        ("", "32-true"),
    ],
)
def test_a_cpu_multiplies_bfloat16_only_where_its_description_says_so(tmp_path, monkeypatch, words, settled):
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor : 0\n{words}\n\nprocessor : 1\nflags : other\n")
    monkeypatch.setattr(precision, "_CPU_INFO", info)
    assert settled_precision("auto", torch.device("cpu")) == settled


def test_without_a_description_a_cpu_trains_in_32_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "none")
    assert settled_precision("auto", torch.device("cpu")) == "32-true"


@pytest.mark.parametrize(("supported", "settled"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_gpu_is_asked(monkeypatch, supported, settled):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert settled_precision("auto", torch.device("cuda")) == settled


@pytest.mark.parametrize("named", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_named_precision_is_kept(named):
    assert settled_precision(named, torch.device("cpu")) == named
