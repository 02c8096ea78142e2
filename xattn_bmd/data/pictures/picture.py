"""One cached picture, or CT volume: the pixels and what is remembered beside them."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_write
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.pictures.content_hash import content_hash
from xattn_bmd.data.preprocess import Frame, frame_of, picture_spacing, preprocess
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.data.volume import read_volume
from xattn_bmd.data.volumes.picture import volume_hash, volume_picture
from xattn_bmd.errors import CacheError


@dataclass(frozen=True)
class PictureRecord:
    """What the cache remembers of one file.

    Attributes:
        digest: SHA-256 of the file's bytes.
        content_hash: fingerprint of the decoded picture.
        spacing_mm: ``(row, column)`` spacing of the cached picture, or of a volume's slices, in mm, or None.
        steps: every step from file to cached picture.
        shape: rows and columns of the radiograph as read; None for a volume, and in a cache of an earlier version.
        frame: where the radiograph lies in the picture; None as well.
    """

    digest: str
    content_hash: str
    spacing_mm: tuple[float, float] | None
    steps: tuple[str, ...]
    shape: tuple[int, int] | None = None
    frame: Frame | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PictureRecord:
        """Return the record that :meth:`to_dict` described."""
        spacing, shape, frame = values["spacing_mm"], values.get("shape"), values.get("frame")
        return cls(
            digest=values["digest"],
            content_hash=values["content_hash"],
            spacing_mm=None if spacing is None else (spacing[0], spacing[1]),
            steps=tuple(values["steps"]),
            shape=None if shape is None else (shape[0], shape[1]),
            frame=None if frame is None else Frame.from_dict(frame),
        )


@dataclass(frozen=True)
class Picture:
    """One cached picture.

    Attributes:
        pixels: ``(size, size)`` uint16, or ``(slices, size, size)``.
        record: what is remembered beside them.
    """

    pixels: NDArray[np.uint16]
    record: PictureRecord


def decode(path: Path, *, digest: str, image: ImageConfig) -> Picture:
    """Read and preprocess one file.

    Args:
        path: the image file, or the files of a CT volume.
        digest: SHA-256 of its bytes.
        image: preprocessing settings.

    Raises:
        RadiographError: if the file is not one grey-scale radiograph.
        VolumeError: if the settings are for CT volumes and the files are none, or one far smaller than the field.
    """
    if image.is_volume:
        return _decode_volume(path, digest=digest, image=image)
    radiograph = read_radiograph(path)
    frame = frame_of(radiograph, image)
    pixels, steps = preprocess(radiograph, image, frame=frame)
    record = PictureRecord(
        digest=digest,
        content_hash=content_hash(radiograph.pixels),
        spacing_mm=picture_spacing(radiograph, frame),
        steps=(*radiograph.steps, *steps),
        shape=(radiograph.pixels.shape[0], radiograph.pixels.shape[1]),
        frame=frame,
    )
    return Picture(pixels=pixels, record=record)


def _decode_volume(path: Path, *, digest: str, image: ImageConfig) -> Picture:
    volume = read_volume(path)
    pixels, steps = volume_picture(volume, image)
    record = PictureRecord(
        digest=digest,
        content_hash=volume_hash(volume),
        spacing_mm=image.spacing_mm[1:],
        steps=(*volume.steps, *steps),
    )
    return Picture(pixels=pixels, record=record)


def read_picture(path: Path, *, image: ImageConfig) -> NDArray[np.uint16]:
    """Return the pixels that :func:`decode` gives, without what a cache remembers beside them.

    Args:
        path: the image file.
        image: preprocessing settings.

    Raises:
        RadiographError: if the file is not one grey-scale radiograph.
        VolumeError: if the settings are for CT volumes and the files are none, or one far smaller than the field.
    """
    if image.is_volume:
        return volume_picture(read_volume(path), image)[0]
    return preprocess(read_radiograph(path), image)[0]


def save_picture(picture: Picture, folder: Path) -> None:
    """Keep a picture in a file of its own, so that a killed build decodes nothing twice.

    Raises:
        CacheError: if the disk is full or cannot be written.
    """
    buffer = io.BytesIO()
    buffer.write(json.dumps(picture.record.to_dict()).encode() + b"\n")
    np.save(buffer, picture.pixels, allow_pickle=False)
    atomic_write(_picture_file(folder, picture.record.digest), buffer.getvalue(), error=CacheError)


def load_picture(folder: Path, digest: str, *, shape: tuple[int, ...]) -> Picture | None:
    """Return the picture that :func:`save_picture` kept, or None where there is none or it is damaged."""
    try:
        with _picture_file(folder, digest).open("rb") as stream:
            record = PictureRecord.from_dict(json.loads(stream.readline()))
            pixels = np.load(io.BytesIO(stream.read()), allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    if record.digest != digest or pixels.shape != shape or pixels.dtype != np.uint16:
        return None
    return Picture(pixels=pixels, record=record)


def remove_pictures(folder: Path, digests: tuple[str, ...]) -> None:
    """Delete single pictures that a finished map now holds."""
    for digest in digests:
        _picture_file(folder, digest).unlink(missing_ok=True)


def _picture_file(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.picture"
