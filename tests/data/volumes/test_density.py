"""Mean HU as a density on simulated volumes, whose truth is known: with a phantom, without, and on wrong input."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from xattn_bmd.bone.calibration import DensityLine
from xattn_bmd.data.volumes.density import measure_density
from xattn_bmd.errors import VolumeError
from xattn_bmd.simulate.ct.attenuation import mineral_for, qct_density
from xattn_bmd.simulate.ct.bones import BODY_LABELS
from xattn_bmd.simulate.ct.people import draw_scans
from xattn_bmd.simulate.ct.scanner import SCANNERS
from xattn_bmd.simulate.ct.volume import simulate_volume
from xattn_bmd.types import LabelMap, Volume

LEVELS = {level: BODY_LABELS[level] for level in ("L1", "L2")}
FAULTLESS = replace(SCANNERS["scanner_a"], cupping_hu=0.0)
PERSON = replace(draw_scans(n=1, preset="ct", seed=2)[0], bmi=24.0, true_qct=110.0, marrow_fat=0.5)


@functools.cache
def scanned(person=PERSON, scanner=FAULTLESS, phantom=True):
    made = simulate_volume(person, seed=2, size=80, scanner=scanner, phantom=phantom)
    volume = Volume(made.voxels, made.grid.spacing_mm, made.grid.affine, ())
    return volume, LabelMap(made.bodies.astype(np.uint16), {}, volume.spacing_mm, volume.affine, ())


def density(person=PERSON, scanner=FAULTLESS, **settings):
    return measure_density(*scanned(person, scanner), levels=LEVELS, **settings)


def test_a_faultless_scanner_reads_the_truth():
    found = density()
    assert found.density == pytest.approx(110.0, abs=2.5) and found.qct_class == "low" and found.calibrated
    assert 1 / found.line.slope == pytest.approx(1.328, abs=0.015)
    assert {name: level.volume_ml > 2 for name, level in found.levels.items()} == {"L1": True, "L2": True}
    assert found.density == pytest.approx(np.mean([level.density for level in found.levels.values()]))


@pytest.mark.parametrize("qct", [40.0, 75.0, 125.0, 190.0])
def test_density_follows_the_truth(qct):
    found = density(replace(PERSON, true_qct=qct))
    assert found.density == pytest.approx(qct, abs=3.5)
    assert found.qct_class == ("osteoporosis" if qct < 80 else "normal")


def test_the_phantom_takes_out_the_scanners_errors_and_the_assumed_line_does_not():
    errors = [(1.0, 0.0), (1.08, 0.0), (0.92, 10.0), (1.0, -18.0), (1.05, 15.0)]
    scanners = [replace(FAULTLESS, slope=slope, offset=offset) for slope, offset in errors]
    calibrated, assumed = (
        np.array([density(scanner=scanner, calibration=how).density for scanner in scanners])
        for how in ("phantom", "assumed")
    )
    assert np.abs(calibrated - calibrated[0]).max() < 0.5
    assert np.abs(assumed - assumed[0]).max() > 12


def test_tube_voltage_is_mostly_taken_out():
    scanners = [replace(FAULTLESS, kvp=kvp) for kvp in (80, 100, 120, 140)]
    calibrated, assumed = (
        np.array([density(scanner=scanner, calibration=how).density for scanner in scanners])
        for how in ("phantom", "assumed")
    )
    assert np.ptp(calibrated) < 12 < 30 < np.ptp(assumed)
    assert (np.diff(calibrated) > 0).all(), "what is left: tissue is no hydroxyapatite in water"


def test_marrow_fat_lowers_the_density_at_equal_mineral():
    """Single-energy QCT reads fat as a lack of mineral; published: 13 mg/cm³ for 100 mg/cm³ of fat at 130 kVp."""
    mineral = mineral_for(110.0, fat_share=0.3)
    fatter = qct_density(mineral, fat_share=0.7)
    assert 110 - fatter == pytest.approx(16.4, abs=1.0)
    found = [density(replace(PERSON, true_qct=qct, marrow_fat=fat)) for qct, fat in ((110.0, 0.3), (fatter, 0.7))]
    assert found[0].density - found[1].density == pytest.approx(110 - fatter, abs=1.5)


def test_without_a_phantom_there_is_an_error_or_a_stated_fallback():
    volume, labels = scanned(phantom=False)
    with pytest.raises(VolumeError, match=r"ha_0_50_100_200.*not found.*uncalibrated"):
        measure_density(volume, labels, levels=LEVELS)
    fallback = measure_density(volume, labels, levels=LEVELS, calibration="phantom_or_assumed")
    assert not fallback.calibrated and "not found; assumed" in fallback.steps[-1]
    assert fallback.density == measure_density(volume, labels, levels=LEVELS, calibration="assumed").density
    own = measure_density(volume, labels, levels=LEVELS, calibration="assumed", assumed=DensityLine(1.0, -5.0, 0.0))
    assert own.levels["L1"].density == pytest.approx(own.levels["L1"].hu - 5)


def test_screws_are_left_out():
    volume, labels = scanned()
    body = labels.labels == LEVELS["L1"]
    d, h, w = np.argwhere(body).mean(axis=0).astype(int)
    hu = volume.voxels.copy()
    hu[d - 1 : d + 1, h - 5 : h + 9, w + 4 : w + 6] = 3071
    found = measure_density(replace(volume, voxels=hu), labels, levels={"L1": LEVELS["L1"]})
    before = density().levels["L1"]
    assert found.density == pytest.approx(before.density, abs=4)
    assert found.levels["L1"].volume_ml < 0.9 * before.volume_ml
    hu[body] = 3071
    with pytest.raises(VolumeError, match=r"0.5 ml.*L1 has 0.00 ml.*from metal"):
        measure_density(replace(volume, voxels=hu), labels, levels=LEVELS)


def as_density(hu):
    return np.maximum(hu, -1000) / 1.33


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda hu: hu + 1024.0 * (hu > -2000), "wrong units, which look like stored numbers"),
        (lambda hu: (hu + 1024.0) / 4096, "look normalised"),
        (lambda hu: np.clip((hu + 200) / 5, 0, 255), "8-bit picture"),
        (as_density, "densities in mg/cm³"),
        (lambda hu: np.where(hu > 0, np.nan, hu), "NaN or infinite"),
    ],
)
def test_values_that_are_not_hu_are_refused(change, words):
    volume, labels = scanned()
    hu = np.maximum(change(volume.voxels.astype(np.float32)), -1024).astype(np.float32)
    with pytest.raises(VolumeError, match=words):
        measure_density(replace(volume, voxels=hu), labels, levels=LEVELS, calibration="assumed")


def test_no_bone_in_the_field():
    volume, labels = scanned()
    with pytest.raises(VolumeError, match=r"S5 needs its bone in the field.*label 99"):
        measure_density(volume, labels, levels={"L1": LEVELS["L1"], "S5": 99})
    with pytest.raises(VolumeError, match="levels is empty"):
        measure_density(volume, labels, levels={})
    elsewhere = replace(labels, labels=np.roll(labels.labels, -34, axis=1))
    with pytest.raises(VolumeError, match="its label lies in air or fat"):
        measure_density(volume, elsewhere, levels=LEVELS, calibration="assumed")
    with pytest.raises(VolumeError, match="Labels lie on the voxels"):
        measure_density(volume, replace(labels, labels=labels.labels[1:]), levels=LEVELS)
