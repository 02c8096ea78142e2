"""Young-adult reference populations for T-scores, by device, region, sex and ethnicity.

The Hologic rows are published; the Lunar rows follow from them through standardised density, so that a patient gets the
same T-score whichever of the two devices measured the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xattn_bmd.bone.crosscal import LINES, Device, Region, cross_calibrate
from xattn_bmd.bone.qct import QCT_NORMAL, QCT_OSTEOPOROSIS
from xattn_bmd.errors import ConfigError

Sex = Literal["female", "male", "any"]
Ethnicity = Literal["white", "black", "mexican_american", "any"]
Unit = Literal["g/cm2", "mg/cm3"]


@dataclass(frozen=True)
class Reference:
    """Density of a young-adult reference population, or the scale of volumetric density that stands for one.

    Attributes:
        name: the key in :data:`REFERENCES`, recorded in every output that used it.
        device: the device on whose scale the numbers are.
        region: the skeletal region.
        sex: sex of the population.
        ethnicity: ethnicity of the population.
        mean: mean density, in ``unit``.
        sd: standard deviation of density, in ``unit``.
        source: where the numbers come from.
        unit: ``"g/cm2"``, or ``"mg/cm3"`` of quantitative CT, which knows cut-offs and no T-score.
    """

    name: str
    device: Device | Literal["qct"]
    region: Region
    sex: Sex
    ethnicity: Ethnicity
    mean: float
    sd: float
    source: str
    unit: Unit = "g/cm2"


_NECK = "NHANES III, ages 20-29 (Looker 1998, Osteoporos Int 8:468-489)"
_PUBLIC_CODE = "young-adult value as used in public analysis code of cohort studies"

_LINE_SOURCE: dict[Region, str] = {"femoral_neck": "Lu 2001", "total_hip": "Lu 2001", "spine": "Hui 1997"}


def _hologic(region: Region, ethnicity: Ethnicity, sex: Sex, mean: float, sd: float, source: str) -> Reference:
    return Reference(f"hologic_{region}_{ethnicity}_{sex}", "hologic", region, sex, ethnicity, mean, sd, source)


def _as_lunar(reference: Reference) -> Reference:
    region = reference.region
    return Reference(
        name=reference.name.replace("hologic", "lunar", 1),
        device="lunar",
        region=region,
        sex=reference.sex,
        ethnicity=reference.ethnicity,
        mean=float(cross_calibrate(reference.mean, source="hologic", target="lunar", region=region)),
        sd=reference.sd * LINES[region]["hologic"].slope / LINES[region]["lunar"].slope,
        source=f"{reference.source}, turned into Lunar density through standardised BMD ({_LINE_SOURCE[region]})",
    )


_HIP = (
    _hologic("femoral_neck", "white", "female", 0.858, 0.120, _NECK),
    _hologic("femoral_neck", "white", "male", 0.934, 0.137, _NECK),
    _hologic("femoral_neck", "black", "female", 0.950, 0.133, _NECK),
    _hologic("femoral_neck", "black", "male", 1.074, 0.168, _NECK),
    _hologic("femoral_neck", "mexican_american", "male", 0.982, 0.137, _NECK),
    _hologic("total_hip", "white", "female", 0.942, 0.122, _PUBLIC_CODE),
)
_SPINE = (_hologic("spine", "white", "female", 1.047, 0.110, f"L1-L4, {_PUBLIC_CODE}"),)

_PER_STEP = (QCT_NORMAL - QCT_OSTEOPOROSIS) / 1.5

QCT_SPINE = Reference(
    name="qct_lumbar_spine",
    device="qct",
    region="spine",
    sex="any",
    ethnicity="any",
    mean=QCT_NORMAL + _PER_STEP,
    sd=_PER_STEP,
    source=f"no population: -1 and -2.5 name the cut-offs {QCT_NORMAL:g} and {QCT_OSTEOPOROSIS:g} mg/cm³ (PMC7495321)",
    unit="mg/cm3",
)
"""Trabecular density of the lumbar spine by QCT.

Not a population, and its "T-scores" are none: mean and SD are the straight line on which -1 and -2.5, the thresholds of
every table of this package, fall on the cut-offs of :func:`~xattn_bmd.bone.qct.qct_class`.
"""

REFERENCES: dict[str, Reference] = {
    reference.name: reference
    for reference in (*map(_as_lunar, _HIP), *_HIP, *map(_as_lunar, _SPINE), *_SPINE, QCT_SPINE)
}
"""Every known reference by name.

The femoral neck of white women is the recommended one for both sexes (IOF 2013, doi 10.1007/s00198-013-2413-7).
"""


def get_reference(name: str) -> Reference:
    """Return the reference population of that name.

    Raises:
        ConfigError: if the name is unknown; the message lists the known ones.

    Example:
        >>> reference = get_reference("lunar_femoral_neck_white_female")
        >>> round(reference.mean, 3), round(reference.sd, 3)
        (1.038, 0.139)
    """
    if name not in REFERENCES:
        raise ConfigError(f"A reference is one of {', '.join(REFERENCES)}, but {name!r} was given; choose one of them.")
    return REFERENCES[name]
