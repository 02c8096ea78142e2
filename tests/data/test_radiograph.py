import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.data.radiograph_files import picture, real_file, write_dicom
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import RadiographError

FINE = picture(bits=16)
COARSE = picture(bits=8).astype(np.uint8)


def _rgb(levels):
    return np.repeat(levels[..., None], 3, axis=2)


def _save(path, levels, **settings):
    Image.fromarray(levels).save(path, **settings)
    return path


@pytest.mark.parametrize("levels", [FINE, COARSE], ids=["16 bit", "8 bit"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_every_level_is_kept(tmp_path, levels, suffix):
    radiograph = read_radiograph(_save(tmp_path / f"a.{suffix}", levels))
    assert radiograph.pixels.dtype == np.float32
    np.testing.assert_array_equal(radiograph.pixels, levels)
    assert radiograph.spacing_mm is None


@pytest.mark.parametrize("compression", [None, "zlib", "tiff_lzw", "packbits"])
@pytest.mark.parametrize("levels", [FINE, COARSE], ids=["16 bit", "8 bit"])
def test_tiff_compressions(tmp_path, levels, compression):
    path = tmp_path / "a.tif"
    if compression == "tiff_lzw":
        Image.fromarray(levels).save(path, compression=compression)
    else:
        tifffile.imwrite(path, levels, compression=compression if compression == "zlib" else None)
    np.testing.assert_array_equal(read_radiograph(path).pixels, levels)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("levels", [FINE, COARSE], ids=["16 bit", "8 bit"])
def test_min_is_white_is_inverted(tmp_path, levels, byteorder):
    path = tmp_path / "a.tif"
    top = np.iinfo(levels.dtype).max
    tifffile.imwrite(path, (top - levels).astype(levels.dtype), photometric="miniswhite", byteorder=byteorder)
    radiograph = read_radiograph(path)
    np.testing.assert_array_equal(radiograph.pixels, levels)
    assert any("MinIsWhite" in step for step in radiograph.steps)


@pytest.mark.parametrize("levels", [FINE, COARSE], ids=["16 bit", "8 bit"])
def test_lzw_min_is_white_is_inverted_once(tmp_path, levels):
    path = tmp_path / "a.tif"
    top = np.iinfo(levels.dtype).max
    # Pillow itself turns 8-bit pictures round when it is told to write MinIsWhite, 16-bit ones not
    stored = levels if levels.dtype == np.uint8 else (top - levels).astype(levels.dtype)
    Image.fromarray(stored).save(path, compression="tiff_lzw", tiffinfo={262: 0})
    with tifffile.TiffFile(path) as file:
        assert int(file.pages[0].photometric) == 0, "Pillow no longer writes MinIsWhite: make the file another way"
    np.testing.assert_array_equal(read_radiograph(path).pixels, levels)


def test_float_tiff_is_read_and_nan_refused(tmp_path):
    levels = FINE.astype(np.float32) / 7
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, levels)
    np.testing.assert_array_equal(read_radiograph(path).pixels, levels)
    levels[3, 3] = np.nan
    tifffile.imwrite(path, levels)
    with pytest.raises(RadiographError, match="NaN"):
        read_radiograph(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_equal_channels_are_grey(tmp_path, suffix):
    np.testing.assert_array_equal(read_radiograph(_save(tmp_path / f"a.{suffix}", _rgb(COARSE))).pixels, COARSE)


def test_jpeg_is_read(tmp_path):
    for levels in (COARSE, _rgb(COARSE)):
        pixels = read_radiograph(_save(tmp_path / "a.jpg", levels, quality=100)).pixels
        assert np.abs(pixels - COARSE).mean() < 1


def test_transparent_pixels_become_the_darkest_grey(tmp_path):
    levels = np.dstack([_rgb(np.maximum(COARSE, 9)), np.full_like(COARSE, 255)])
    levels[:5, :, 3] = 0
    levels[:5, :, 0] = 200
    pixels = read_radiograph(_save(tmp_path / "a.png", levels)).pixels
    assert (pixels[:5] == pixels[5:].min()).all()
    np.testing.assert_array_equal(pixels[5:], np.maximum(COARSE, 9)[5:])


@pytest.mark.parametrize(("dpi", "spacing"), [(254, 0.1), (72, None), (96, None)])
def test_spacing_of_a_png_unless_it_is_a_screens(tmp_path, dpi, spacing):
    found = read_radiograph(_save(tmp_path / "a.png", FINE, dpi=(dpi, dpi))).spacing_mm
    assert found == (None if spacing is None else pytest.approx((spacing, spacing)))


def test_quarter_turn_of_an_orientation_tag_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = read_radiograph(_save(tmp_path / "a.png", COARSE, exif=exif)).pixels
    np.testing.assert_array_equal(pixels, np.rot90(COARSE, k=-1))


def test_content_decides_not_the_name(tmp_path):
    path = write_dicom(tmp_path / "scan.png", picture())
    np.testing.assert_array_equal(read_radiograph(path).pixels, picture())


def _colour(path):
    levels = _rgb(COARSE)
    levels[5, 5] = (255, 0, 0)
    return _save(path, levels)


def _png16_rgb(path):
    height, width = FINE.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in _rgb(FINE))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    body = b"".join(chunk(*part) for part in [*parts, (b"IEND", b"")])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def _bytes(content):
    def make(path):
        path.write_bytes(content)
        return path

    return make


def _pages(path):
    tifffile.imwrite(path, np.stack([FINE, FINE]), photometric="minisblack", metadata=None)
    return path


def _folder(path):
    path.mkdir()
    return path


REFUSED = {
    "missing": (lambda path: path, "does not exist"),
    "folder": (_folder, "is a folder"),
    "zero bytes": (_bytes(b""), "0 bytes"),
    "text": (_bytes(b"radiograph_id,age\n" * 50), "none of these"),
    "noise": (_bytes(bytes(range(256)) * 8), "none of these"),
    "one byte": (_bytes(b"I"), "none of these"),
    "colour PNG": (lambda path: _colour(path.with_suffix(".png")), "colour"),
    "colour TIFF": (lambda path: _colour(path.with_suffix(".tif")), "colour"),
    "16-bit colour PNG": (_png16_rgb, "16-bit"),
    "pages": (_pages, "2 pages"),
    "constant": (lambda path: _save(path.with_suffix(".png"), np.full((40, 40), 5, np.uint8)), "every pixel"),
    "tiny": (lambda path: _save(path.with_suffix(".png"), COARSE[:31]), "31 x 40"),
    "CMYK": (lambda path: _save(path.with_suffix(".jpg"), COARSE) and _cmyk(path.with_suffix(".jpg")), "colour"),
}


def _cmyk(path):
    Image.fromarray(_rgb(COARSE)).convert("CMYK").save(path)
    return path


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_in_one_sentence_that_names_the_file_only(tmp_path, make, words):
    path = make(tmp_path / "hip_17")
    with pytest.raises(RadiographError, match=words) as caught:
        read_radiograph(path)
    assert "hip_17" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.9])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8)
    path = _save(tmp_path / f"a.{suffix}", noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RadiographError):
        read_radiograph(path)


@pytest.mark.parametrize("name", ["00000001_000.png", "00027426_000.png"])
def test_real_chest_has_a_bright_spine_between_dark_lungs(name):
    pixels = read_radiograph(real_file(f"xray_nih/{name}")).pixels
    rows = pixels[150:300].mean(axis=0)
    spine = rows[235:277].mean()
    assert spine > rows[130:170].mean()
    assert spine > rows[340:380].mean()
