"""What the image encoder had learnt from: as the run recorded it, and nothing where nobody recorded it."""

import json

import pytest
import yaml

from tests.report.pages import made_up_run
from xattn_bmd.report.answers import initialisation
from xattn_bmd.report.material import Material
from xattn_bmd.report.sections import methods
from xattn_bmd.report.source import open_source

RECORDED = "tf_efficientnet_lite0 pretrained on 7 SIMULATED hips"


def said(folder):
    material = Material(source=open_source(folder), evidence=None)
    [bullets] = methods.section(material).blocks
    return [item for item in bullets.items if item.startswith("Image encoder")], initialisation(material)


@pytest.fixture
def folder(tmp_path):
    return made_up_run(tmp_path / "RUN", models=("concat",), patients=12)


def test_the_record_of_the_run_counts_whatever_is_installed_now(folder):
    (folder / "environment.json").write_text(json.dumps({"image_encoder": RECORDED}))
    assert said(folder) == ([f"Image encoder: {RECORDED}."], f"Image encoder: {RECORDED}.")


def test_an_older_run_tells_its_setting(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    model = {"backbone": "resnet34", "weights": "pretrained"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"model": model}))
    assert said(folder)[0] == ["Image encoder: resnet34, weights: pretrained."]


def test_nothing_is_made_up_where_the_source_does_not_say(folder):
    assert said(folder) == ([], "")
