"""Words of a unit: the same classes and edges as the rules that tables and predictions use."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.bone.qct import qct_class
from xattn_bmd.bone.reference import QCT_SPINE, REFERENCES, get_reference
from xattn_bmd.bone.scale import AREAL, SCALES, VOLUMETRIC, density_class, scale_of
from xattn_bmd.bone.tscore import WHO_THRESHOLDS, density_at, t_score, who_class
from xattn_bmd.metrics.classification import who_codes

NECK = get_reference("lunar_femoral_neck_white_female")


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_the_place_of_a_class_in_tables_is_that_of_its_name_in_predictions(shares):
    edges = density_at(WHO_THRESHOLDS, reference=NECK)
    for reference, density in ((NECK, [*np.multiply(shares, 1.5), *edges]), (QCT_SPINE, [300 * s for s in shares])):
        density = np.array([*density, 80.0, 120.0] if reference is QCT_SPINE else density)
        named = np.array(scale_of(reference).classes)[who_codes(density, reference=reference)]
        assert named.tolist() == density_class(density, reference=reference).tolist()


def test_each_unit_has_the_classes_of_its_own_rule():
    areal, volumetric = [0.6, 0.8, 1.1], [79.0, 80.0, 121.0, np.nan]
    assert density_class(areal, reference=NECK).tolist() == who_class(t_score(areal, reference=NECK)).tolist()
    assert density_class(volumetric, reference=QCT_SPINE).tolist() == qct_class(volumetric).tolist()
    assert all(scale_of(reference).code == reference.unit for reference in REFERENCES.values())


@pytest.mark.parametrize("scale", SCALES.values(), ids=lambda scale: scale.method)
def test_every_threshold_of_the_tables_has_a_name_and_an_anchor(scale):
    assert set(scale.edges) == set(scale.anchors) == set(WHO_THRESHOLDS)
    assert all(anchor.isalnum() for anchor in scale.anchors.values())


def test_the_cut_offs_in_words_are_those_of_the_reference():
    said = [f"{density:g} mg/cm³" for density in density_at(WHO_THRESHOLDS, reference=QCT_SPINE)]
    assert list(VOLUMETRIC.edges.values()) == said
    assert VOLUMETRIC.cut_offs == f"{said[0].removesuffix(' mg/cm³')} and {said[1]}"
    assert not VOLUMETRIC.has_t_scores and AREAL.has_t_scores


def test_digits_follow_the_unit():
    assert (AREAL.text(0.12345), VOLUMETRIC.text(12.345), VOLUMETRIC.text(-0.04)) == ("0.123", "12.3", "-0.0")
