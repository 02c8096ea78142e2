"""The bone encoder's file: what it says of itself is on its card, and a spoilt one is one clear error."""

import hashlib
import json
import subprocess
import sys

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from xattn_bmd.errors import ModelError
from xattn_bmd.models import assets
from xattn_bmd.models.assets import BONE_ENCODER, bone_encoder_facts, load_bone_encoder
from xattn_bmd.simulate.femur import femur_model

CARD = BONE_ENCODER.with_suffix(".md").read_text(encoding="utf-8")
HEADINGS = ("Facts", "Intended use", "Training data", "Training", "Evaluation", "Limits", "Licence")


def stored_facts():
    with safe_open(BONE_ENCODER, framework="numpy") as stored:
        return json.loads(stored.metadata()["facts"])


def test_facts_are_those_of_the_file():
    facts, stored = bone_encoder_facts(), stored_facts()
    for name in ("backbone", "task", "hips", "held_out", "epochs", "seed"):
        assert getattr(facts, name) == stored[name]
    named = {name: stored[name] for name in ("r", "mae_g_cm2", "areal_mae_g_cm2", "dice_femur", "dice_neck")}
    assert {name: facts.scores.get(name) for name in named} == named
    assert set(facts.scores) <= set(stored) - {"machine", "hips", "seed"}


def test_the_cards_table_is_what_the_file_says():
    cells = [line.strip("| ").split(" | ") for line in CARD.splitlines() if line.startswith("| ")]
    table = dict(cells[1:])
    content = BONE_ENCODER.read_bytes()
    expected = stored_facts() | {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert table == {name: value if isinstance(value, str) else json.dumps(value) for name, value in expected.items()}


def test_the_card_says_what_a_reader_must_know():
    assert tuple(line[3:] for line in CARD.splitlines() if line.startswith("## ")) == HEADINGS
    femora, own = len(femur_model().scores), len(femur_model().benchmark)
    assert f"{femora - own} of the {femora} real femora" in CARD and f"other {own} alone" in CARD
    for words in ("**simulated**", "never seen a real radiograph", "ImageNet", "Apache-2.0", "Shared with the"):
        assert words in CARD
    assert "Apache License, Version 2.0" in BONE_ENCODER.with_name("NOTICE").read_text()


def test_the_file_is_small_and_its_numbers_exist():
    assert BONE_ENCODER.stat().st_size <= 12e6
    for name, value in load_bone_encoder().items():
        assert value.isfinite().all() and (not name.endswith("running_var") or (value >= 0).all()), name


def test_facts_are_read_without_torch():
    script = "import sys, xattn_bmd.models.origin as o; print(o.bone_encoder_note(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["hips", "False"]


SPOILT = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "no_facts": lambda path: save_file(load_file(path), path),
    "facts_no_json": lambda path: save_file(load_file(path), path, metadata={"facts": "{"}),
    "facts_no_mapping": lambda path: save_file(load_file(path), path, metadata={"facts": "[]"}),
    "fact_left_out": lambda path: save_file(load_file(path), path, metadata={"facts": '{"backbone": "x"}'}),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_installation_is_told_what_to_do(tmp_path, monkeypatch, fault):
    path = tmp_path / BONE_ENCODER.name
    path.write_bytes(BONE_ENCODER.read_bytes())
    SPOILT[fault](path)
    monkeypatch.setattr(assets, "BONE_ENCODER", path)
    found = "missing" if fault == "missing" else "damaged"
    with pytest.raises(ModelError, match=f"{found}; reinstall xattn-bmd"):
        bone_encoder_facts()
    if fault in ("missing", "empty", "cut"):
        with pytest.raises(ModelError, match=f"{found}; reinstall xattn-bmd"):
            load_bone_encoder()
