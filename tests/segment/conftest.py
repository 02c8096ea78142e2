import pytest

from tests.segment.planted import TINY, cohort
from xattn_bmd.segment.segmenter import VolumeSegmenter


@pytest.fixture(scope="session")
def segmenter():
    volumes, labels = cohort(4)
    return VolumeSegmenter.fit(volumes, labels, patients=list("ABCD"), config=TINY)
