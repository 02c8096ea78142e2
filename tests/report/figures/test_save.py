import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from PIL import Image

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.report.figures.fold_plan import fold_plan
from xattn_bmd.report.figures.save import save_figure, svg_text
from xattn_bmd.report.figures.scatter import scatter
from xattn_bmd.report.figures.style import RASTER_FROM, WIDTH, sentence

LUNAR = get_reference("lunar_femoral_neck_white_female")


def drawn(seed=0, **made):
    return scatter(prediction_grid(made_up_table(seed=seed, **made)), model="xattn", reference=LUNAR)


def ids(svg):
    return set(re.findall(r'\bid="([^"]+)"', svg))


def test_the_same_data_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save_figure(drawn(), tmp_path / name / "scatter")
    for suffix in ("svg", "png"):
        first, second = ((tmp_path / name / f"scatter.{suffix}").read_bytes() for name in ("one", "two"))
        assert first == second


def test_a_users_own_settings_change_nothing(tmp_path):
    expected = svg_text(drawn())
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "none", "axes.grid": True, "lines.linewidth": 9}):
        assert svg_text(drawn()) == expected
        assert mpl.rcParams["font.size"] == 30


def test_files_are_whole(tmp_path):
    save_figure(drawn(), tmp_path / "fig.of.mine")
    root = ElementTree.parse(tmp_path / "fig.of.mine.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    with Image.open(tmp_path / "fig.of.mine.png") as picture:
        assert picture.size == (round(WIDTH * 150), 750)
        assert "Software" not in picture.info
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fig.of.mine.png", "fig.of.mine.svg"]


def test_letters_are_outlines_and_nothing_is_fetched():
    svg = svg_text(drawn())
    assert "<text" not in svg and "font-family" not in svg
    assert "<metadata" not in svg and "<!DOCTYPE" not in svg and "<?xml" not in svg
    assert set(re.findall(r"https?://[^\"' ]+", svg)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_figures_on_one_page_share_no_ids():
    several = [svg_text(figure) for figure in (drawn(), drawn(seed=1), fold_plan(prediction_grid(made_up_table())))]
    everything = [name for svg in several for name in ids(svg)]
    assert len(everything) == len(set(everything))
    for svg in several:
        named = set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg))
        assert named and named <= ids(svg)


def test_points_as_a_picture_stay_inside_the_file(tmp_path):
    svg = svg_text(drawn(patients=RASTER_FROM + 10, models=("xattn",)))
    assert 'href="data:image/png;base64,' in svg
    assert len(svg) < 400_000


def test_the_label_is_for_readers_who_cannot_see():
    svg = svg_text(sentence("Nothing."), label='"<R²>" & more')
    assert ElementTree.fromstring(svg).attrib["aria-label"] == '"<R²>" & more'
    assert "aria-label" not in svg_text(sentence("Nothing."))


@pytest.mark.parametrize("module", ["scatter", "coverage", "save", "fold_plan"])
def test_importing_a_figure_loads_no_drawing_library(module):
    code = (
        f"import sys, xattn_bmd.report.figures.{module}; print({{'matplotlib', 'pandas', 'scipy'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_drawing_never_touches_pyplot():
    code = (
        "import sys; from xattn_bmd.report.figures.style import sentence; "
        "from xattn_bmd.report.figures.save import svg_text; svg_text(sentence('a')); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
