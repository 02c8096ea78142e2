"""DICOM folders that are not one CT volume: each is refused in one sentence that says what to do."""

import numpy as np
import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGLSLossless, RLELossless

from tests.data.volumes.made_scans import SECRET, SERIES, slice_dataset, write_series
from xattn_bmd import read_volume
from xattn_bmd.data.volumes.slice_header import read_slice_header
from xattn_bmd.errors import VolumeError


def _set(**tags):
    def change(dataset, _):
        for name, value in tags.items():
            setattr(dataset, name, value)

    return change


def _only(number, **tags):
    def change(dataset, at):
        if at == number:
            _set(**tags)(dataset, at)

    return change


def _without(tag, *, only=None):
    def change(dataset, at):
        if only is None or at == only:
            delattr(dataset, tag)

    return change


def _stored(low, high, *, dtype=np.uint16):
    """Pixels that run evenly from low to high, whatever the body is."""

    def change(dataset, _):
        count = dataset.Rows * dataset.Columns
        dataset.PixelData = np.linspace(low, high, count).astype(dtype).tobytes()

    return change


FAULTS = {
    "position missing": (_without("ImagePositionPatient", only=2), "ImagePositionPatient, but 1 of 7"),
    "position of two numbers": (_only(2, ImagePositionPatient=[1, 2]), "ImagePositionPatient, but 1 of 7"),
    "position of one number": (_only(2, ImagePositionPatient=1), "ImagePositionPatient, but 1 of 7"),
    "orientation missing": (_without("ImageOrientationPatient"), "ImageOrientationPatient, but 7 of 7"),
    "orientation no right angle": (_set(ImageOrientationPatient=[1, 0, 0, 0.5, 0.5, 0]), "ImageOrientationPatient"),
    "spacing missing": (_without("PixelSpacing"), "PixelSpacing, but 7 of 7"),
    "spacing zero": (_set(PixelSpacing=[0, 1]), "PixelSpacing, but 7 of 7"),
    "mixed sizes": (_only(3, Rows=5), "size.*6 with 6 x 5 pixels, 1 with 5 x 5 pixels"),
    "mixed spacing": (_only(3, PixelSpacing=[2, 1.5]), "pixel spacing.*1 with 2.000 x 1.500 mm"),
    "mixed orientation": (_only(3, ImageOrientationPatient=[0, 1, 0, 0, 0, 1]), "orientation.*1 with 0.00"),
    "uneven": (_only(6, ImagePositionPatient=[-1, -4, 10]), "usual gap is 3 mm and 1 of 6 gaps differ: 4 mm at 6.0 mm"),
    "two at one place": (_only(6, ImagePositionPatient=[-1, -4, 6]), "several different ones at 6.0 mm"),
    "table moved": (_only(3, ImagePositionPatient=[3, -4, 0]), "straight line.*4.0 pixels"),
    "no CT": (_set(Modality="MR"), "Modality CT, but scan holds MR"),
    "modality blank": (_set(Modality=""), "Modality CT, but scan holds none"),
    "scout alone": (_set(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "scout view"),
    "multi-frame": (_set(NumberOfFrames=4), "holds 4 .enhanced multi-frame"),
    "slope missing": (_without("RescaleSlope"), "RescaleSlope"),
    "slope zero": (_set(RescaleSlope=0), "RescaleSlope"),
    "intercept missing": (_without("RescaleIntercept"), "RescaleIntercept"),
    "another unit": (_set(RescaleType="MGML"), "RescaleType MGML: wrong units"),
    "no pixels": (_without("PixelData", only=1), "lacks PixelData"),
    "pixels cut short": (_only(1, PixelData=b"\0" * 40), "cut short or damaged"),
    "stored numbers": (_set(RescaleIntercept=0), "wrong units, which look like stored numbers without the rescale"),
    "rescaled twice": (_set(RescaleIntercept=-4096), "rescaled twice"),
    "masked with 0": (_stored(1024, 1400), "before any clipping"),
    "8-bit": (_stored(1024, 1279), "8-bit picture"),
    "normalised": (_stored(1024, 1025), "normalised"),
    "too high": (_set(RescaleSlope=1000, RescaleIntercept=-1e6), "exceeds 32767"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(tmp_path, fault):
    change, sentence = FAULTS[fault]
    with pytest.raises(VolumeError, match=sentence) as caught:
        read_volume(write_series(tmp_path / "scan", change=change))
    assert str(tmp_path) not in str(caught.value) and SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ([0, 1, 2, 4, 5, 6], "1 of scan are missing, at 0.0 mm"),
        ([0, 1, 2, 3, 6, 8, 9, 10], "3 of scan are missing, at 3.0, 6.0, 12.0 mm"),
        ([0, 1, 2, 3, *range(20, 40)], "16 of scan are missing, at 3.0, .* 24.0 mm and 8 more"),
        ([4], "needs at least two slices, but scan has one"),
    ],
)
def test_missing_slices_are_named_by_position(tmp_path, numbers, sentence):
    folder = tmp_path / "scan"
    folder.mkdir()
    for number in numbers:
        write_series(folder, numbers=[number], prefix=f"{number:03d}", signed=True, intercept=0.0)
    with pytest.raises(VolumeError, match=sentence):
        read_volume(folder)


def test_several_series_are_listed_with_what_tells_them_apart(tmp_path):
    folder = write_series(tmp_path / "scan")
    write_series(
        folder, prefix="t", numbers=range(4), change=_set(SeriesInstanceUID="1.2.826.7.2", ConvolutionKernel="Br64f")
    )
    listed = r"1.2.826.7.1 \(7 images, CT, 120 kVp, kernel Br38f\), 1.2.826.7.2 \(4 images, CT, 120 kVp, kernel Br64f\)"
    with pytest.raises(VolumeError, match=f"several: {listed}; name one with the argument series"):
        read_volume(folder)
    with pytest.raises(VolumeError, match=f"no '1.2.3'; it has {listed}"):
        read_volume(folder, series="1.2.3")
    write_series(folder, prefix="u", numbers=range(4), change=_set(SeriesInstanceUID="1.2.826.7.4", Modality="PT"))
    with pytest.raises(VolumeError, match="Modality CT, but scan holds PT"):
        read_volume(folder, series="1.2.826.7.4")


def test_a_long_list_of_series_is_cut(tmp_path):
    folder = tmp_path / "scan"
    for number in range(12):
        write_series(
            folder, prefix=f"s{number:02d}", numbers=[0], change=_set(SeriesInstanceUID=f"{SERIES}.{number + 10}")
        )
    with pytest.raises(VolumeError, match="and 2 more; name one"):
        read_volume(folder)


def test_damaged_and_foreign_files(tmp_path):
    folder = write_series(tmp_path / "scan")
    first = folder / "s00.dcm"
    whole = first.read_bytes()
    for content, sentence in (
        (b"", "0 bytes"),
        (whole[:400], "s00.dcm is damaged"),
        (whole[:150], "s00.dcm is damaged"),
        (whole[:-30], "cut short or damaged"),
    ):
        first.write_bytes(content)
        with pytest.raises(VolumeError, match=sentence):
            read_volume(folder)
    first.unlink()
    first.symlink_to(tmp_path / "fetched later")
    with pytest.raises(VolumeError, match=r"s00.dcm is not; copy it again"):
        read_volume(folder)
    first.unlink()
    first.write_bytes(whole)
    (folder / "noise").write_bytes(np.random.default_rng(0).bytes(3000))
    report = slice_dataset(0)
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    del report.Rows, report.Columns, report.PixelData
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    assert read_volume(folder).steps[0].startswith("2 files of the folder left out")
    notes = folder / "notes.txt"
    notes.write_text("nothing")
    with pytest.raises(VolumeError, match=r"but notes.txt is none of these"):
        read_volume(notes)
    with pytest.raises(VolumeError, match="nowhere does not exist"):
        read_volume(tmp_path / "nowhere")
    with pytest.raises(VolumeError, match=r"none of the 0 files of .* it has 1 folders"):
        read_volume(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VolumeError, match="none of the 0 files of empty is one; give the scan's folder"):
        read_volume(tmp_path / "empty")


def test_wherever_a_header_stops_the_slice_is_not_lost(tmp_path):
    path = tmp_path / "a.dcm"
    slice_dataset(0).save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    for end in range(133, len(whole), 7):
        path.write_bytes(whole[:end])
        try:
            assert read_slice_header(path) is not None, end
        except VolumeError as error:
            assert "a.dcm is damaged" in str(error)


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(get_decoder(JPEGLSLossless), "_available", {})

    def pretend(dataset, _):
        dataset.compress(RLELossless)
        dataset.file_meta.TransferSyntaxUID = JPEGLSLossless

    with pytest.raises(VolumeError, match=r"JPEG-LS.*xattn-bmd\[dicom\]"):
        read_volume(write_series(tmp_path / "scan", change=pretend))
