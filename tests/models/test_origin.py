"""What an image encoder had learnt from, in words: simulated hips are called so and nothing else is."""

import re

import pytest

from xattn_bmd.models import origin
from xattn_bmd.models.assets import BoneEncoderFacts
from xattn_bmd.models.origin import bone_encoder_note, saw_simulated_hips, weights_origin

WORDS = {
    "none": "random first weights",
    "pretrained": "ImageNet photographs",
    "bone": "SIMULATED hips",
    "hub": "hub publishes",
    "/home/somebody/secret/trunk.safetensors": "file trunk.safetensors",
}


@pytest.mark.parametrize("weights", WORDS)
def test_every_origin_is_named_and_no_other(weights):
    text = weights_origin(backbone="resnet34", weights=weights)
    assert text.startswith("resnet34 ") and "secret" not in text
    assert [value for value in WORDS.values() if value in text] == [WORDS[weights]]
    assert saw_simulated_hips(text) is (weights == "bone")


def test_the_number_of_hips_is_that_of_the_file(monkeypatch):
    facts = BoneEncoderFacts(backbone="b", task="both", hips=11500, held_out=1, epochs=1, seed=0, scores={})
    monkeypatch.setattr(origin, "bone_encoder_facts", lambda: facts)
    assert bone_encoder_note() == "image encoder pretrained on 11,500 SIMULATED hips"
    assert re.search("on 11,500 SIMULATED hips .* no real radiograph", weights_origin(backbone="b", weights="bone"))
