"""The line from HU to density: against numpy, by hand, and what no scanner shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.bone.calibration import NOMINAL_LINE, fit_density_line
from xattn_bmd.bone.phantom import HA_PHANTOM
from xattn_bmd.errors import VolumeError
from xattn_bmd.simulate.ct.attenuation import MINERAL_HU

DENSITIES = HA_PHANTOM.densities


@given(slope=st.floats(1.1, 2.2), water=st.floats(-60, 60), density=st.floats(0, 400))
def test_a_faultless_scanner_is_inverted(slope, water, density):
    line = fit_density_line([water + slope * known for known in DENSITIES], DENSITIES)
    assert line.density(water + slope * density) == pytest.approx(density, abs=1e-6)
    assert line.residual == pytest.approx(0, abs=1e-6)


def test_noisy_rods_are_fitted_as_numpy_does():
    hu = np.array([4.0, 70.0, 128.0, 271.0])
    slope, water = np.polyfit(DENSITIES, hu, 1)
    line = fit_density_line(hu, DENSITIES)
    assert (1 / line.slope, -line.intercept / line.slope) == pytest.approx((slope, water))
    rest = hu - (water + slope * np.array(DENSITIES))
    assert line.residual == pytest.approx(np.sqrt(np.mean(rest**2)) / slope)


def test_the_assumed_line_is_that_of_hydroxyapatite_at_120_kvp():
    assert NOMINAL_LINE.density(MINERAL_HU[120] * 137.0) == pytest.approx(137.0, abs=0.05)


@pytest.mark.parametrize(
    "hu, densities, words",
    [
        (list(DENSITIES), DENSITIES, "holds mg/cm³ already"),
        ([0.1, 0.12, 0.15, 0.2], DENSITIES, "0.00 and 0 HU"),
        ([0.0, 200.0, 400.0, 800.0], DENSITIES, "4.00 and 0 HU"),
        ([1024.0, 1090.0, 1155.0, 1290.0], DENSITIES, "1023 HU|1024 HU"),
        ([260.0, 130.0, 65.0, 0.0], DENSITIES, "another phantom"),
        ([100.0], (50.0,), "rods of two densities"),
        ([100.0, 120.0], (50.0, 50.0), "rods of two densities"),
        ([0.0, np.nan, 130.0, 260.0], DENSITIES, "rods of two densities"),
    ],
)
def test_what_no_scanner_shows_is_refused(hu, densities, words):
    with pytest.raises(VolumeError, match=words):
        fit_density_line(hu, densities)
