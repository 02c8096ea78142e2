"""A fusion by its name: of the package, or a class of one's own that any process finds again."""

import sys

import pytest
import torch

from tests.contracts.made_up import SCHEMA, made_patients, small_config
from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.fusions.late import LateFusion
from xattn_bmd.models.fusions.named import check_source, fusion_name, fusion_named, is_fusion, source_digest
from xattn_bmd.models.network import build_network, capacity_table
from xattn_bmd.training.registry import check_models, uses_images

OWN = """from xattn_bmd.models.fusions.late import LateFusion
class Base(LateFusion):
    scale = {scale}
class Own(Base):
    pass
Number = 3
"""


class OfThisFile(Fusion):
    """A fusion that any process can import."""

    def forward(self, image_BPD, variables_BVD):
        return Fused(image_BPD.mean(1) + variables_BVD.mean(1), None)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a module of one's own and has it imported anew."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> None:
        sys.modules.pop("own_fusions", None)
        (tmp_path / "own_fusions.py").write_text(text)

    yield write
    sys.modules.pop("own_fusions", None)


def test_every_fusion_is_found_by_its_name_and_its_name_by_the_class():
    for name, kind in FUSIONS.items():
        assert is_fusion(name) and fusion_named(name) is kind and fusion_name(kind) == name


def test_a_class_of_ones_own_has_the_name_of_its_place():
    name = fusion_name(OfThisFile)
    assert name == "tests.models.test_named.OfThisFile"
    assert is_fusion(name) and fusion_named(name) is OfThisFile and uses_images(name)
    check_models([name, "concat", "ridge"])
    assert capacity_table(ModelConfig(width=16), fusions=[name]) == {name: 0}


def test_a_network_is_built_of_a_class_wherever_it_is_defined():
    class OfThisFunction(OfThisFile):
        pass

    torch.manual_seed(0)
    given = {"schema": SCHEMA, "config": small_config(), "target_mean": 0.9, "target_sd": 0.1}
    network = build_network(fusion=OfThisFunction, **given).eval()
    assert network(*made_patients()).density.shape == (5,)
    with pytest.raises(ModelError, match="top of a file"):
        fusion_name(OfThisFunction)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package.Own", "No module named 'no_such_package'.*PYTHONPATH"),
        ("own_fusions.NoSuchClass", "no attribute 'NoSuchClass'"),
        ("own_fusions.Number", "subclass of xattn_bmd.models.fusion.Fusion"),
        ("pathlib.Path", "subclass of"),
        ("__main__.Own", "file of its own, not the script"),
        ("../../own_fusions.Own", "package.module.ClassName"),
        ("..Own", "package.module.ClassName"),
        (".Own", "package.module.ClassName"),
        ("xattn.", "package.module.ClassName"),
    ],
)
def test_what_is_no_class_of_ones_own_is_refused(name, message, written):
    written(OWN.format(scale=1))
    for refused in (fusion_named, uses_images, lambda given: check_models([given])):
        with pytest.raises(ModelError, match=message):
            refused(name)


def test_a_class_that_was_imported_anew_is_another_one(written):
    written(OWN.format(scale=1))
    stale = fusion_named("own_fusions.Own")
    written(OWN.format(scale=1))
    with pytest.raises(ModelError, match="another class"):
        fusion_name(stale)


def test_source_of_the_class_and_its_own_bases_alone_is_digested(written):
    found = []
    for text in (OWN.format(scale=1), OWN.format(scale=1) + "class Another: pass\n", OWN.format(scale=2)):
        written(text)
        found.append(source_digest("own_fusions.Own"))
    assert found[0] == found[1] != found[2] and len(found[0]) == 64
    check_source("own_fusions.Own", digest=found[2])
    check_source("own_fusions.Own", digest=None)
    with pytest.raises(ModelError, match=r"own_fusions.Own has changed"):
        check_source("own_fusions.Own", digest=found[0])


def test_fusions_of_the_package_have_no_source_to_keep():
    assert [source_digest(name) for name in (*FUSIONS, "ridge")] == [None] * (len(FUSIONS) + 1)
    assert source_digest("xattn_bmd.models.fusions.late.LateFusion") is None


def test_a_class_without_a_known_source_has_no_digest(monkeypatch):
    typed = type("Typed", (LateFusion,), {"__module__": "tests.models.test_named"})
    monkeypatch.setattr(sys.modules[__name__], "Typed", typed, raising=False)
    assert source_digest("tests.models.test_named.Typed") is None
    check_source("tests.models.test_named.Typed", digest="a" * 64)
