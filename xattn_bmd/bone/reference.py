"""Young-adult reference populations for T-scores, by device, region, sex and ethnicity.

The Hologic rows are published; the Lunar rows follow from them through standardised density, so that a patient gets the
same T-score whichever of the two devices measured the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xattn_bmd.bone.crosscal import LINES, Device, Region, cross_calibrate
from xattn_bmd.errors import ConfigError

Sex = Literal["female", "male"]
Ethnicity = Literal["white", "black", "mexican_american"]


@dataclass(frozen=True)
class Reference:
    """Density of a young-adult reference population.

    Attributes:
        name: the key in :data:`REFERENCES`, recorded in every output that used it.
        device: the device on whose scale the numbers are.
        region: the skeletal region.
        sex: sex of the population.
        ethnicity: ethnicity of the population.
        mean: mean density, g/cm².
        sd: standard deviation of density, g/cm².
        source: where the numbers come from.
    """

    name: str
    device: Device
    region: Region
    sex: Sex
    ethnicity: Ethnicity
    mean: float
    sd: float
    source: str


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

REFERENCES: dict[str, Reference] = {
    reference.name: reference for reference in (*map(_as_lunar, _HIP), *_HIP, *map(_as_lunar, _SPINE), *_SPINE)
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
