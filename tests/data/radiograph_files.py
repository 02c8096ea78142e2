"""Made-up radiograph files for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

SECRET = "Doe^Jane"
REAL_FILES = Path(__file__).resolve().parents[3] / "shared" / "data"


def real_file(name: str) -> Path:
    path = REAL_FILES / name
    if not path.exists():
        pytest.skip(f"real radiograph {name} is not beside this checkout (../shared/data)")
    return path


def picture(*, rows: int = 48, columns: int = 40, bits: int = 12, seed: int = 0) -> NDArray[np.uint16]:
    """A made-up radiograph: a bright shaft on a noisy ramp, all levels within ``bits``."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0.1, 0.4, columns)[None, :] + 0.1 * rng.random((rows, columns))
    ramp[:, columns // 3 : columns // 2] += 0.4
    levels = np.rint(ramp * ((1 << bits) - 1)).astype(np.uint16)
    levels[0, 0], levels[0, 1] = 0, (1 << bits) - 1
    return levels


def header(levels: NDArray[Any], *, bits: int = 12, photometric: str = "MONOCHROME2", **tags: Any) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.PatientName = SECRET
    dataset.Rows, dataset.Columns = levels.shape[:2]
    dataset.SamplesPerPixel = 1 if levels.ndim == 2 else 3
    if levels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = levels.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(levels.dtype.kind == "i")
    dataset.PixelData = levels.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def write(path: Path, dataset: Dataset) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_dicom(path: Path, levels: NDArray[Any], **settings: Any) -> Path:
    return write(path, header(levels, **settings))


RAW_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


def write_with_syntax(path: Path, levels: NDArray[Any], syntax: Any, **settings: Any) -> Path:
    dataset = header(levels, **settings)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = levels.astype(levels.dtype.newbyteorder(">")).tobytes()
    return write(path, dataset)


def lut_item(entries: NDArray[np.uint16], *, first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return item
