import math

import numpy as np
import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.xray import Exposure, Spectrum, expose, full_spectrum, grouped_spectrum, transmit

EXPOSURE = Exposure(photons=8000, scatter_to_primary=0.25, blur_mm=0.25, heel=0.0)


def flat(value):
    return np.full((2, 2), value, np.float32)


def test_transmission_is_beer_lambert_by_hand():
    spectrum = Spectrum(np.array([0.6, 0.4]), np.array([2.1, 0.4]), np.array([0.38, 0.20]), np.array([0.31, 0.19]))
    found = transmit(mineral=flat(0.9), muscle=flat(120.0), fat=flat(40.0), spectrum=spectrum)
    low = 0.6 * math.exp(-(2.1 * 0.9 + 0.38 * 1.05 * 12 + 0.31 * 0.95 * 4))
    high = 0.4 * math.exp(-(0.4 * 0.9 + 0.20 * 1.05 * 12 + 0.19 * 0.95 * 4))
    assert found[0, 0] == pytest.approx(low + high, rel=1e-5)


@pytest.mark.parametrize("kvp", [70, 75, 80, 85])
@pytest.mark.parametrize("mineral, muscle, fat", [(0.0, 150, 30), (0.9, 140, 40), (1.6, 110, 20), (0.5, 220, 80)])
def test_eight_energy_groups_agree_with_the_full_spectrum(kvp, mineral, muscle, fat):
    body = {"mineral": flat(mineral), "muscle": flat(muscle), "fat": flat(fat)}
    grouped = transmit(**body, spectrum=grouped_spectrum(kvp))[0, 0]
    assert math.log(grouped) == pytest.approx(math.log(transmit(**body, spectrum=full_spectrum(kvp))[0, 0]), abs=0.02)


def test_coefficients_are_those_of_the_published_tables():
    """NIST XCOM: soft tissue 0.2264 cm2/g at 50 keV; hydroxyapatite is far above it, fat below."""
    spectrum = full_spectrum(85)
    at_50 = np.argmin(np.abs(spectrum.muscle - 0.2264))
    assert spectrum.muscle[at_50] == pytest.approx(0.2264, abs=0.002)
    assert spectrum.mineral[at_50] > 2.3 * spectrum.muscle[at_50] > 2.3 * spectrum.fat[at_50]


def test_an_unknown_tube_voltage_is_refused():
    with pytest.raises(SimulationError, match="70, 75, 80, 85"):
        full_spectrum(120)


def exposed(primary, *, seed=0):
    ones = np.ones_like(primary)
    rng = np.random.default_rng(seed)
    return expose(rng, primary, depth_mm=200 * ones, field=ones, spacing_mm=0.5, exposure=EXPOSURE)


def test_automatic_exposure_hides_absolute_intensity():
    primary = np.random.default_rng(1).uniform(0.01, 0.03, (96, 96)).astype(np.float32)
    np.testing.assert_allclose(exposed(primary), exposed(primary * 7), rtol=1e-3)
    assert exposed(primary)[32:64, 32:64].mean() == pytest.approx(1, abs=0.01)


def test_noise_grows_as_quanta_fall():
    primary = np.full((96, 96), 0.02, np.float32)
    primary[:, :48] /= 8
    picture = exposed(primary)
    dark, light = picture[:, 4:40], picture[:, 56:92]
    assert dark.std() / dark.mean() > 1.5 * light.std() / light.mean()


def test_scatter_lowers_contrast_and_grows_with_thickness():
    primary = np.full((96, 96), 0.02, np.float32)
    primary[40:56, 40:56] /= 2
    ones = np.ones_like(primary)

    def contrast(depth):
        rng = np.random.default_rng(0)
        picture = expose(rng, primary, depth_mm=depth * ones, field=ones, spacing_mm=0.5, exposure=EXPOSURE)
        return picture[20:30, 20:30].mean() / picture[44:52, 44:52].mean()

    assert contrast(300.0) < contrast(150.0) < 2.0
