from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless

from tests.data.radiograph_files import (
    RAW_SYNTAXES,
    SECRET,
    header,
    lut_item,
    picture,
    real_file,
    write,
    write_dicom,
    write_with_syntax,
)
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import RadiographError

WHITE = 4095


@pytest.mark.parametrize("syntax", RAW_SYNTAXES, ids=lambda syntax: syntax.name)
def test_raw_syntaxes_give_the_stored_levels(tmp_path, syntax):
    levels = picture()
    radiograph = read_radiograph(write_with_syntax(tmp_path / "a.dcm", levels, syntax))
    assert radiograph.pixels.dtype == np.float32
    np.testing.assert_array_equal(radiograph.pixels, levels)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=lambda syntax: syntax.name)
def test_lossless_compression_gives_the_stored_levels(tmp_path, syntax):
    levels = picture(bits=16)
    dataset = header(levels, bits=16)
    dataset.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read_radiograph(write(tmp_path / "a.dcm", dataset)).pixels, levels)


def _jpeg(levels, **settings):
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, format="JPEG", quality=100)
    dataset = header(levels, bits=8, **settings)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([stream.getvalue()])
    return dataset


def test_jpeg_baseline_is_close_to_the_stored_levels(tmp_path):
    levels = picture(bits=8).astype(np.uint8)
    radiograph = read_radiograph(write(tmp_path / "a.dcm", _jpeg(levels)))
    assert np.abs(radiograph.pixels - levels).mean() < 1


def test_missing_decoder_names_the_syntax_and_the_extra(tmp_path, monkeypatch):
    from pydicom.pixels.decoders.base import get_decoder

    monkeypatch.setattr(get_decoder(JPEGLosslessSV1), "_available", {})
    dataset = header(picture())
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([b"\xff\xd8" + bytes(100) + b"\xff\xd9"])
    with pytest.raises(RadiographError, match=r"JPEG Lossless.*xattn-bmd\[dicom\]"):
        read_radiograph(write(tmp_path / "a.dcm", dataset))


PAIRS = {
    "plain": ({}, {}),
    "window": ({"WindowCenter": "1500", "WindowWidth": "777"}, {"WindowCenter": "2596", "WindowWidth": "777"}),
    "window of the whole range": (
        {"WindowCenter": "2048", "WindowWidth": "4096"},
        {"WindowCenter": "2048", "WindowWidth": "4096"},
    ),
    "exact window": (
        {"WindowCenter": "1500", "WindowWidth": "777", "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": "2595", "WindowWidth": "777", "VOILUTFunction": "LINEAR_EXACT"},
    ),
    "sigmoid": (
        {"WindowCenter": "1500", "WindowWidth": "777", "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": "2595", "WindowWidth": "777", "VOILUTFunction": "SIGMOID"},
    ),
    "slope": (
        {"RescaleSlope": "0.1", "RescaleIntercept": "-3.3"},
        {"RescaleSlope": "0.1", "RescaleIntercept": "-3.3"},
    ),
    "slope and window": (
        {"RescaleSlope": "0.1", "RescaleIntercept": "-3.3", "WindowCenter": "140", "WindowWidth": "77.7"},
        # values mirror about 0.1 * 4095 - 2 * 3.3 = 402.9, LINEAR windows one level further
        {"RescaleSlope": "0.1", "RescaleIntercept": "-3.3", "WindowCenter": "263.9", "WindowWidth": "77.7"},
    ),
}


@pytest.mark.parametrize("shape", [None, "both"])
@pytest.mark.parametrize("tags", PAIRS.values(), ids=PAIRS.keys())
def test_inverted_copies_give_the_same_pixels(tmp_path, tags, shape):
    levels = picture()
    shapes = ({}, {}) if shape is None else ({"PresentationLUTShape": "IDENTITY"}, {"PresentationLUTShape": "INVERSE"})
    bright = write_dicom(tmp_path / "bright.dcm", levels, **tags[0], **shapes[0])
    dark = write_dicom(tmp_path / "dark.dcm", WHITE - levels, photometric="MONOCHROME1", **tags[1], **shapes[1])
    first, second = read_radiograph(bright).pixels, read_radiograph(dark).pixels
    assert first[0, 1] > first[0, 0]
    np.testing.assert_array_equal(first, second)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slope=st.integers(1, 9999),
    intercept=st.integers(-99999, 99999),
    centre=st.integers(-9999, 9999),
    width=st.integers(11, 99999),
)
def test_inverted_copies_agree_for_any_slope_and_window(tmp_path, slope, intercept, centre, width):
    levels = picture(rows=32, columns=32)
    rescale = {"RescaleSlope": f"{slope / 1000:.3f}", "RescaleIntercept": f"{intercept / 10:.1f}"}
    mirrored = Fraction(slope, 1000) * WHITE + 2 * Fraction(intercept, 10) - Fraction(centre, 10) + 1
    windows = [
        {"WindowCenter": f"{float(value):.3f}", "WindowWidth": f"{width / 10:.1f}"}
        for value in (Fraction(centre, 10), mirrored)
    ]
    bright = write_dicom(tmp_path / "bright.dcm", levels, **rescale, **windows[0])
    dark = write_dicom(tmp_path / "dark.dcm", WHITE - levels, photometric="MONOCHROME1", **rescale, **windows[1])
    np.testing.assert_array_equal(read_radiograph(bright).pixels, read_radiograph(dark).pixels)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_agrees_with_pydicom_where_it_does_not_clip(tmp_path, function):
    tags = {"RescaleSlope": "2", "RescaleIntercept": "-1024", "WindowCenter": "3000", "WindowWidth": "9000"}
    path = write_dicom(tmp_path / "a.dcm", picture(), VOILUTFunction=function, **tags)
    dataset = header(picture(), VOILUTFunction=function, **tags)
    low, high = -1024, 2 * WHITE - 1024
    expected = (apply_voi_lut(apply_modality_lut(picture(), dataset), dataset) - low) / (high - low)
    inside = (expected > 0) & (expected < 1)
    assert inside.mean() > 0.9
    np.testing.assert_allclose(read_radiograph(path).pixels[inside], expected[inside], atol=1e-6)


def test_narrow_window_keeps_every_level(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", picture(), WindowCenter="2000", WindowWidth="10")
    assert len(np.unique(read_radiograph(path).pixels)) == len(np.unique(picture()))


@pytest.mark.parametrize("tag", ["ModalityLUTSequence", "VOILUTSequence"])
def test_lookup_tables_agree_with_pydicom_and_invert(tmp_path, tag):
    entries = np.rint(np.sqrt(np.linspace(0, 1, 3000)) * 65535).astype(np.uint16)
    levels = picture()
    tags = {tag: Sequence([lut_item(entries, first=500, bits=16)])}
    expected = entries[np.clip(levels.astype(int) - 500, 0, 2999)]
    oracle = apply_modality_lut if tag.startswith("Modality") else apply_voi_lut
    np.testing.assert_array_equal(oracle(levels, header(levels, **tags)), expected)
    bright = read_radiograph(write_dicom(tmp_path / "a.dcm", levels, **tags)).pixels
    dark = read_radiograph(write_dicom(tmp_path / "b.dcm", levels, photometric="MONOCHROME1", **tags)).pixels
    np.testing.assert_array_equal(bright, expected)
    np.testing.assert_array_equal(dark, 65535 - expected.astype(int))


def test_first_of_several_windows_is_taken(tmp_path):
    several = write_dicom(tmp_path / "a.dcm", picture(), WindowCenter=["900", "5"], WindowWidth=["400", "3"])
    single = write_dicom(tmp_path / "b.dcm", picture(), WindowCenter="900", WindowWidth="400")
    np.testing.assert_array_equal(read_radiograph(several).pixels, read_radiograph(single).pixels)


def test_signed_pixels_keep_their_sign_and_invert_exactly(tmp_path):
    levels = (picture().astype(np.int32) - 2048).astype(np.int16)
    bright = read_radiograph(write_dicom(tmp_path / "a.dcm", levels))
    dark = read_radiograph(write_dicom(tmp_path / "b.dcm", (-1 - levels).astype(np.int16), photometric="MONOCHROME1"))
    np.testing.assert_array_equal(bright.pixels, levels)
    np.testing.assert_array_equal(dark.pixels, levels)


def test_overlay_bits_above_the_stored_ones_are_dropped(tmp_path):
    levels = picture()
    path = write_dicom(tmp_path / "a.dcm", levels | np.uint16(0xF000))
    np.testing.assert_array_equal(read_radiograph(path).pixels, levels)


def test_left_justified_words_are_shifted(tmp_path):
    levels = picture()
    path = write_dicom(tmp_path / "a.dcm", levels << np.uint16(4), HighBit=15)
    np.testing.assert_array_equal(read_radiograph(path).pixels, levels)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_becomes_the_darkest_grey(tmp_path, photometric):
    levels = picture()
    levels[10:20] = 77
    levels[levels == 0] = 1
    path = write_dicom(tmp_path / "a.dcm", levels, photometric=photometric, PixelPaddingValue=77)
    radiograph = read_radiograph(path)
    padded = levels == 77
    assert np.unique(radiograph.pixels[padded]) == radiograph.pixels[~padded].min()
    assert any("padding" in step for step in radiograph.steps)


SPACINGS = {
    "pixel spacing first": ({"PixelSpacing": [0.2, 0.3], "ImagerPixelSpacing": [9, 9]}, (0.2, 0.3)),
    "imager divided by magnification": (
        {"ImagerPixelSpacing": [0.3, 0.15], "EstimatedRadiographicMagnificationFactor": "1.5"},
        (0.2, 0.1),
    ),
    "imager alone": ({"ImagerPixelSpacing": [0.3, 0.15]}, (0.3, 0.15)),
    "scanned film": ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
    "zero counts as absent": ({"PixelSpacing": [0, 0]}, None),
    "absent": ({}, None),
}


@pytest.mark.parametrize(("tags", "expected"), SPACINGS.values(), ids=SPACINGS.keys())
def test_spacing(tmp_path, tags, expected):
    spacing = read_radiograph(write_dicom(tmp_path / "a.dcm", picture(), **tags)).spacing_mm
    assert spacing == (None if expected is None else pytest.approx(expected))


def test_equal_colour_channels_are_grey(tmp_path):
    levels = picture(bits=8).astype(np.uint8)
    path = write_dicom(tmp_path / "a.dcm", np.repeat(levels[..., None], 3, axis=2), bits=8, photometric="RGB")
    np.testing.assert_array_equal(read_radiograph(path).pixels, levels)


def _colour():
    levels = np.repeat(picture(bits=8).astype(np.uint8)[..., None], 3, axis=2)
    levels[5, 5] = (255, 0, 0)
    return header(levels, bits=8, photometric="RGB")


def _without_pixels():
    dataset = header(picture())
    del dataset.PixelData
    return dataset


def _frames():
    dataset = header(picture(), NumberOfFrames=2)
    dataset.PixelData *= 2
    return dataset


REFUSED = {
    "colour": (_colour, "colour"),
    "without pixels": (_without_pixels, "no pixel data"),
    "multi-frame": (_frames, "2 frames"),
    "constant": (lambda: header(np.full((40, 40), 7, np.uint16)), "every pixel"),
    "tiny": (lambda: header(picture()[:20]), "20 x 40"),
    "palette": (lambda: header(picture(bits=8).astype(np.uint8), bits=8, photometric="PALETTE COLOR"), "PALETTE"),
    "short pixel data": (lambda: header(picture(), PixelData=picture().tobytes()[:1000]), "cut short"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_a_clear_error_without_header_text(tmp_path, make, words):
    path = write(tmp_path / "a.dcm", make())
    with pytest.raises(RadiographError, match=words) as caught:
        read_radiograph(path)
    assert SECRET not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, JPEGBaseline8Bit], ids=str)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_truncated_files_are_refused(tmp_path, syntax, share):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (128, 128)).astype(np.uint8)
    dataset = _jpeg(levels) if syntax == JPEGBaseline8Bit else header(levels, bits=8)
    if syntax in (RLELossless, JPEG2000Lossless):
        dataset.compress(syntax, generate_instance_uid=False)
    content = write(tmp_path / "whole.dcm", dataset).read_bytes()
    path = tmp_path / "cut.dcm"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RadiographError):
        read_radiograph(path)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGBaseline8Bit], ids=str)
def test_cut_codestream_in_a_well_formed_file_is_refused(tmp_path, syntax):
    levels = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8)
    dataset = _jpeg(levels)
    if syntax == JPEG2000Lossless:
        dataset = header(levels, bits=8)
        dataset.compress(syntax, generate_instance_uid=False)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([stream[: len(stream) * 6 // 10]])
    with pytest.raises(RadiographError, match="cut short"):
        read_radiograph(write(tmp_path / "a.dcm", dataset))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(128, 10_000), byte=st.integers(0, 255))
def test_a_damaged_byte_gives_pixels_or_a_radiograph_error(tmp_path, position, byte):
    path = write_dicom(tmp_path / "a.dcm", picture(), WindowCenter="900", WindowWidth="400")
    content = bytearray(path.read_bytes())
    content[position % 600 + 128] = byte
    path.write_bytes(bytes(content))
    try:
        assert np.isfinite(read_radiograph(path).pixels).all()
    except RadiographError as error:
        assert SECRET not in str(error)


def test_file_without_preamble_is_read(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", picture())
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read_radiograph(bare).pixels, picture())


def test_steps_hold_no_header_text_and_name_every_stage(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", picture(), photometric="MONOCHROME1", WindowCenter="9", WindowWidth="4")
    words = " / ".join(read_radiograph(path).steps)
    assert SECRET not in words
    assert all(part in words for part in ("decoded", "modality", "window", "MONOCHROME1", "spacing"))


@pytest.mark.parametrize("name", ["RG1_J2KI.dcm", "RG3_J2KI.dcm", "RG3_J2KR.dcm"])
def test_real_nema_radiographs_have_bright_bone(name):
    pixels = read_radiograph(real_file(f"dicom_nema/{name}")).pixels
    rows, columns = pixels.shape
    # chest: lungs darker than mediastinum; leg: air beside the leg darker than the tibia
    centre = np.median(pixels[rows // 3 : rows // 2, int(columns * 0.47) : int(columns * 0.53)])
    side = np.median(pixels[rows // 4 : rows // 3, int(columns * 0.28) : int(columns * 0.32)])
    assert centre > side


def test_real_lossy_and_lossless_copies_nearly_agree():
    lossy, lossless = (read_radiograph(real_file(f"dicom_nema/RG3_{kind}.dcm")).pixels for kind in ("J2KI", "J2KR"))
    assert np.corrcoef(lossy.ravel(), lossless.ravel())[0, 1] > 0.999


def test_real_infant_pelvis_stored_as_rgb_is_read():
    radiograph = read_radiograph(real_file("xray_hip_infant/331_DDH_1.dcm"))
    assert radiograph.pixels.shape == (331, 331)
    assert radiograph.spacing_mm == (1.0, 1.0)
