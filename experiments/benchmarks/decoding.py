"""Decoding radiographs every epoch, as target 3 is measured against: PNG with Pillow, DICOM with pydicom."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tutorial import transforms

_DICOMS = 16
_JPEG_2000 = "1.2.840.10008.1.2.4.90"  # transfer syntax "JPEG 2000 image compression (lossless only)"


class DicomDataset(Dataset[Tensor]):
    """One DICOM radiograph at a time, decoded by pydicom whenever it is asked for, and made small."""

    def __init__(self, paths: list[Path], *, size: int) -> None:
        self.paths, self.resize = paths, transforms(size)[1]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        from pydicom import dcmread

        pixels = dcmread(self.paths[index]).pixel_array.astype(np.float32)
        return self.resize(torch.from_numpy(pixels / 4095)[None])


def decoded_rate(files: Dataset[Any], *, batch: int) -> float:
    """Return images/s of one epoch with two workers, their start included."""
    begin = time.perf_counter()
    seen = sum(
        len(part[0]) if isinstance(part, list) else len(part)
        for part in DataLoader(files, batch_size=batch, num_workers=2)
    )
    return seen / (time.perf_counter() - begin)


def jpeg_2000(pngs: list[Path], folder: Path) -> list[Path]:
    """Write some of the pictures as lossless JPEG 2000 DICOM; none where no encoder is installed."""
    from pydicom.pixels import get_encoder

    if not get_encoder(_JPEG_2000).is_available:
        return []
    written = []
    for path in pngs[:_DICOMS]:
        with Image.open(path) as file:
            dataset = _dicom(np.asarray(file))
        dataset.compress(_JPEG_2000)
        written.append(folder / f"{path.stem}.dcm")
        dataset.save_as(written[-1], enforce_file_format=True)
    return written


def _dicom(pixels: NDArray[np.uint16]) -> Any:  # noqa: ANN401
    from pydicom.dataset import Dataset as DicomFile
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    file = DicomFile()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file.set_pixel_data(pixels, photometric_interpretation="MONOCHROME2", bits_stored=12)
    return file
