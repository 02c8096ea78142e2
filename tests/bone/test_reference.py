import pytest

from xattn_bmd.bone.reference import REFERENCES, get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import ConfigError

PUBLISHED = [
    ("white_female", 0.858, 0.120, 1.038, 0.139, 0.899, 0.691),
    ("white_male", 0.934, 0.137, 1.126, 0.159, 0.967, 0.730),
    ("black_female", 0.950, 0.133, 1.145, 0.154, 0.991, 0.760),
    ("black_male", 1.074, 0.168, 1.288, 0.195, 1.094, 0.802),
    ("mexican_american_male", 0.982, 0.137, 1.181, 0.159, 1.023, 0.785),
]


@pytest.mark.parametrize(("group", "mean", "sd", "lunar_mean", "lunar_sd", "low", "very_low"), PUBLISHED)
def test_femoral_neck_rows(group, mean, sd, lunar_mean, lunar_sd, low, very_low):
    hologic = get_reference(f"hologic_femoral_neck_{group}")
    lunar = get_reference(f"lunar_femoral_neck_{group}")
    assert (hologic.mean, hologic.sd) == (mean, sd)
    # The tabulated Lunar numbers come from rounded steps; the exact ones of the main reference are checked below.
    assert lunar.mean == pytest.approx(lunar_mean, abs=1e-3)
    assert lunar.sd == pytest.approx(lunar_sd, abs=1e-3)
    assert float(density_at(-1.0, reference=lunar)) == pytest.approx(low, abs=1.0e-3)
    assert float(density_at(-2.5, reference=lunar)) == pytest.approx(very_low, abs=1.5e-3)


def test_lunar_white_female_cut_offs_to_three_decimals():
    lunar = get_reference("lunar_femoral_neck_white_female")
    assert [round(float(density_at(t, reference=lunar)), 3) for t in (-1.0, -2.5)] == [0.899, 0.691]


def test_total_hip():
    lunar = get_reference("lunar_total_hip_white_female")
    assert (round(lunar.mean, 3), round(lunar.sd, 3)) == (1.008, 0.126)
    assert round(float(density_at(-1.0, reference=lunar)), 3) == 0.882
    assert round(float(density_at(-2.5, reference=lunar)), 3) == 0.694


def test_lunar_spine_follows_from_hologic_by_hand():
    """sBMD = 1.0550 (1.047 - 0.972) + 1.0436 = 1.122725; Lunar = 1.100 + (1.122725 - 1.0436) / 0.9683 (Hui 1997)."""
    lunar = get_reference("lunar_spine_white_female")
    assert lunar.mean == pytest.approx(1.100 + (1.122725 - 1.0436) / 0.9683, abs=1e-6)
    assert lunar.sd == pytest.approx(0.110 * 1.0550 / 0.9683, abs=1e-9)
    assert (round(lunar.mean, 3), round(lunar.sd, 3)) == (1.182, 0.120)
    assert "L1-L4" in lunar.source and "Hui 1997" in lunar.source


def test_names_and_fields_agree():
    for name, reference in REFERENCES.items():
        people = f"{reference.device}_{reference.region}_{reference.ethnicity}_{reference.sex}"
        assert name == (people if reference.unit == "g/cm2" else "qct_lumbar_spine")
        assert reference.source
        assert 0 < reference.sd < reference.mean


def test_unknown_name_lists_known_ones():
    with pytest.raises(ConfigError, match=r"lunar_femoral_neck_white_female.*'lunar_neck'"):
        get_reference("lunar_neck")
