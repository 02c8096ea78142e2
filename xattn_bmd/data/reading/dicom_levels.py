"""Stored integers of one DICOM image: decoder found, stream whole, stored bits taken, padding marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.reading.grey_channels import grey_channel
from xattn_bmd.data.reading.greyscale import Greyscale
from xattn_bmd.errors import RadiographError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG_FAMILY = "1.2.840.10008.1.2.4."


def stored_levels(header: Dataset, *, name: str) -> tuple[Greyscale, str]:
    """Decode the pixels of one image.

    Args:
        header: the data set, with its pixels.
        name: the file's name, for errors.

    Returns:
        the stored integers ``(H, W)`` and the step in words.

    Raises:
        RadiographError: if no decoder reads the compression, or the compressed stream lacks its end.
    """
    stored, signed = int(header.BitsStored), bool(header.get("PixelRepresentation") or 0)
    allocated, high_bit = int(header.BitsAllocated), int(header.get("HighBit", stored - 1))
    syntax = _readable_syntax(header, name=name)
    shifted = not syntax.is_encapsulated and stored - 1 < high_bit < allocated
    if shifted:
        # pydicom takes the stored bits to be the lowest ones; these are not, so it is given whole words
        header.BitsStored, header.HighBit = allocated, allocated - 1
    array: NDArray[Any] = header.pixel_array
    grey = array if array.ndim == 2 else grey_channel(array, name=name)
    levels = grey.astype(np.int32)
    if shifted:
        levels = _stored_bits(levels >> high_bit + 1 - stored, stored=stored, signed=signed)
    grey_of_three = "" if array.ndim == 2 else ", three equal colour channels taken as grey"
    step = (
        f"decoded DICOM ({syntax.name}): {grey.shape[0]} x {grey.shape[1]}, {stored} of {allocated} bits, "
        f"{'signed' if signed else 'unsigned'}{grey_of_three}"
    )
    lowest = -(1 << stored - 1) if signed else 0
    return Greyscale(levels=levels, lowest=lowest, highest=lowest + (1 << stored) - 1), step


def _readable_syntax(header: Dataset, *, name: str) -> UID:
    syntax: UID | None = getattr(header.file_meta, "TransferSyntaxUID", None)
    if syntax is None:
        raise RadiographError(
            f"A DICOM file names its transfer syntax, but {name} does not; export it again as a DICOM Part 10 file."
        )
    _require_decoder(syntax, bits=int(header.BitsStored), name=name)
    if syntax.is_encapsulated and _lacks_end(header, syntax=str(syntax)):
        raise cut_short(name)
    return syntax


def _require_decoder(syntax: UID, *, bits: int, name: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(syntax)
        available = decoder.is_available
    except NotImplementedError:
        available = False
    # Pillow calls itself able to decode JPEG Extended, but its 12-bit streams defeat it
    if available and not (str(syntax) == _JPEG_EXTENDED and bits > 8 and set(_plugins(decoder)) == {"pillow"}):
        return
    raise RadiographError(
        f"The installed decoders read raw, RLE, JPEG baseline and JPEG 2000 DICOM, but {name} is compressed as "
        f"{syntax.name}; install the extra with pip install 'xattn-bmd[dicom]', or export the file uncompressed."
    )


def _plugins(decoder: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(decoder.available_plugins)


def _lacks_end(header: Dataset, *, syntax: str) -> bool:
    """Tell whether a JPEG-family stream misses its end marker; some decoders fill the missing part with grey."""
    return syntax.startswith(_JPEG_FAMILY) and b"\xff\xd9" not in bytes(header.PixelData[-64:])


def _stored_bits(words: NDArray[np.int32], *, stored: int, signed: bool) -> NDArray[np.int32]:
    """Keep the lowest ``stored`` bits of each word, with their sign."""
    levels = words & np.int32((1 << stored) - 1)
    return np.where(levels >> stored - 1, levels - (1 << stored), levels).astype(np.int32) if signed else levels


def declared_padding(header: Dataset, levels: NDArray[np.int32]) -> NDArray[np.bool_] | None:
    """Return which pixels ``(H, W)`` the header declares to be padding; None where it declares none, or all."""
    value, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return None
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    mask = (levels >= low) & (levels <= high)
    return mask if mask.any() and not mask.all() else None


def cut_short(name: str) -> RadiographError:
    """Return the error for a damaged file."""
    return RadiographError(
        f"A DICOM file must be complete, but {name} is cut short or damaged and cannot be decoded; copy it again."
    )
