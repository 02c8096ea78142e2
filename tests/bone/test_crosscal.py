import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.bone.crosscal import LINES, cross_calibrate, from_standardised, to_standardised
from xattn_bmd.errors import ConfigError

EVERY = [(region, device) for region, devices in LINES.items() for device in devices]


@pytest.mark.parametrize(
    ("region", "slope", "intercept"), [("femoral_neck", 1.1576, 0.0447), ("total_hip", 1.0296, 0.0378)]
)
def test_hologic_to_lunar_direct_map(region, slope, intercept):
    density = np.linspace(0.4, 1.4, 11)
    lunar = cross_calibrate(density, source="hologic", target="lunar", region=region)
    np.testing.assert_allclose(lunar, slope * density + intercept, atol=1e-4)


@pytest.mark.parametrize(("device", "centre"), [("hologic", 0.972), ("lunar", 1.100), ("norland", 0.969)])
def test_spine_lines_meet_at_the_phantom_mean(device, centre):
    assert float(to_standardised(centre, device=device, region="spine")) == pytest.approx(1043.6)


@given(density=st.floats(0.2, 2.0), pair=st.sampled_from(EVERY), other=st.sampled_from(["hologic", "lunar", "norland"]))
def test_round_trips(density, pair, other):
    region, device = pair
    there = to_standardised(density, device=device, region=region)
    assert float(from_standardised(there, device=device, region=region)) == pytest.approx(density, abs=1e-12)
    moved = cross_calibrate(density, source=device, target=other, region=region)
    back = cross_calibrate(moved, source=other, target=device, region=region)
    assert float(back) == pytest.approx(density, abs=1e-12)


def test_unknown_device_and_region():
    with pytest.raises(ConfigError, match=r"A device is one of .*'ge'"):
        to_standardised(1.0, device="ge", region="spine")
    with pytest.raises(ConfigError, match=r"A region is one of .*'wards'"):
        to_standardised(1.0, device="lunar", region="wards")
