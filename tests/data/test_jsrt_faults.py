"""What is wrong with copies of JSRT and SCR is said in one list before anything is written; layouts that are read."""

import re
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.jsrt_tree import IDS, drawn, film, write_film, write_mask, write_tree
from xattn_bmd import XattnBmdError, convert_jsrt
from xattn_bmd.cli import main
from xattn_bmd.data.jsrt.clinical import Person, read_people
from xattn_bmd.data.jsrt.files import find_files

FILM = f"All247images/{IDS[0]}.IMG"
MASK = f"fold1/masks/left clavicle/{IDS[0]}.gif"
NODULES = "Clinical_Information/CLNDAT_EN.txt"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Folders of both databases; read-only."""
    return write_tree(tmp_path_factory.mktemp("databases"))


@pytest.fixture
def own(tree, tmp_path):
    """A copy to spoil."""
    return tuple(shutil.copytree(folder, tmp_path / folder.name) for folder in tree)


def _cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def _frames(path):
    from PIL import Image

    first = Image.fromarray(drawn("heart", 0))
    first.save(path, save_all=True, append_images=[Image.fromarray(drawn("heart", 1))])


def _text(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def _copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


FAULTS = {
    "short film": (lambda j, s: _cut(j / FILM, 8_000_000), r"8388608 bytes.*JPCLN001\.IMG has 8000000"),
    "swapped film": (lambda j, s: write_film(j / FILM, film(0), order="<"), "bytes were swapped"),
    "deep film": (lambda j, s: write_film(j / FILM, film(0) * 16), r"12 bits.*56000; take the original"),
    "flat film": (lambda j, s: write_film(j / FILM, film(0) * 0), "more than one grey level.*equals 0"),
    "film twice": (lambda j, s: _copy(j / FILM, j / "Nodule154images" / "jpcln001.img"), "JPCLN001 is there as"),
    "film named otherwise": (lambda j, s: _copy(j / FILM, j / "JPCLN155.IMG"), r"JPCLN155\.IMG is called otherwise"),
    "mask named otherwise": (lambda j, s: _copy(s / MASK, s / "heart" / "a (1).gif"), r"a \(1\)\.gif is called"),
    "no films": (lambda j, s: shutil.rmtree(j / "All247images"), "but .*jsrt has none"),
    "no JSRT": (lambda j, s: shutil.rmtree(j), "but .*jsrt is no folder"),
    "no masks": (lambda j, s: shutil.rmtree(s), "but .*scr is no folder"),
    "mask cut short": (lambda j, s: _cut(s / MASK, 400), r"left clavicle/JPCLN001\.gif cannot be decoded"),
    "mask of text": (lambda j, s: (s / MASK).write_text("GIF89a, no"), r"JPCLN001\.gif cannot be decoded"),
    "mask of no bytes": (lambda j, s: (s / MASK).write_bytes(b""), r"JPCLN001\.gif cannot be decoded"),
    "mask of another size": (lambda j, s: write_mask(s / MASK, drawn("heart", 0)[:512]), "has 1 of 512 x 1024"),
    "moving mask": (lambda j, s: _frames(s / MASK), "has 2 of 1024 x 1024"),
    "grey mask": (lambda j, s: write_mask(s / MASK, drawn("heart", 0), inside=128), "levels 0 and 255.*has 128"),
    "empty mask": (lambda j, s: write_mask(s / MASK, drawn("heart", 0) & False), r"JPCLN001\.gif is empty"),
    "mask twice": (lambda j, s: _copy(s / MASK, s / "left_clavicle" / f"{IDS[0]}.gif"), "left clavicle of JPCLN001"),
    "half a mask": (lambda j, s: (s / MASK).unlink(), "both sides, but JPCLN001 has no left clavicle"),
    "line that slipped": (lambda j, s: _text(j / NODULES, "15\t53", "53"), r"JPCLN001 is followed by '5 53 male 1634'"),
    "two ages": (lambda j, s: _text(j / NODULES, "JPCLN001", "JPCNN002.IMG 50 male\nJPCLN001"), "JPCNN002 has two"),
    "impossible age": (lambda j, s: _text(j / NODULES, "\t53\t", "\t530\t"), "age.*JPCLN001.*530"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_sentence_and_nothing_is_written(own, tmp_path, fault):
    spoil, sentence = FAULTS[fault]
    spoil(*own)
    with pytest.raises(XattnBmdError, match=sentence) as caught:
        convert_jsrt(*own, tmp_path / "out")
    assert re.search(r"have 1 problem\(s\)", str(caught.value)) or fault == "no films" or "two" in fault
    assert not (tmp_path / "out").exists()


DENSITIES = {
    "stranger": ("radiograph_id,density\nJPCLN001,1.0\nJPCLN009,1.0\n", "d.csv has JPCLN009"),
    "twice": ("radiograph_id,density\nJPCLN001,1.0\njpcln001,1.1\n", "several of JPCLN001"),
    "word": ("radiograph_id,density\nJPCLN001,high\n", "JPCLN001 \\('high'\\) is not"),
    "milligrams": ("radiograph_id,density\nJPCLN001,950\nJPCNN002,1010\n", "mg/cm"),
    "no id": ("radiograph_id,density\n,1.0\n", "an empty id"),
    "column": ("radiograph_id,bmd\nJPCLN001,1.0\n", "lacks density; it has radiograph_id, bmd"),
    "empty": ("", "d.csv is empty"),
}


@pytest.mark.parametrize("fault", DENSITIES)
def test_each_fault_of_the_densities_has_its_sentence(tree, tmp_path, fault):
    text, sentence = DENSITIES[fault]
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(XattnBmdError, match=sentence):
        convert_jsrt(*tree, tmp_path / "out", densities=tmp_path / "d.csv")
    assert not (tmp_path / "out").exists()


def test_all_faults_come_in_one_list(own, tmp_path):
    planted = ["film twice", "mask cut short", "swapped film", "line that slipped"]
    for fault in planted:
        FAULTS[fault][0](*own)
    (own[1] / "fold2" / "masks" / "right lung" / f"{IDS[1]}.gif").unlink()
    (tmp_path / "d.csv").write_text("radiograph_id,density\nJPCLN009,1.0\n")
    with pytest.raises(XattnBmdError) as caught:
        convert_jsrt(*own, tmp_path / "out", densities=tmp_path / "d.csv")
    message = str(caught.value)
    assert "have 6 problem(s)" in message and [line[:2] for line in message.splitlines()[1:]] == [
        f"{number}." for number in range(1, 7)
    ]
    for sentence in [FAULTS[fault][1] for fault in planted] + ["JPCNN002 has no right lung", "JPCLN009"]:
        assert re.search(sentence, message), sentence


def test_what_may_lack_is_converted_and_reported(own, tmp_path):
    jsrt, scr = own
    shutil.rmtree(scr / "fold1" / "masks" / "heart")
    for side in ("left clavicle", "right clavicle"):
        (scr / "fold2" / "masks" / side / f"{IDS[1]}.gif").unlink()
        write_mask(scr / "fold2" / "masks" / side / "JPCNN093.gif", drawn(side, 0))
    shutil.rmtree(jsrt / "Clinical_Information")
    done = convert_jsrt(jsrt, scr, tmp_path / "out")
    assert done.without_mask == {"clavicle": (IDS[1],), "lungs": (), "heart": (IDS[0],)}
    assert done.without_radiograph == ("JPCNN093",) and done.without_age == done.without_sex == IDS
    assert sorted(path.name for path in (tmp_path / "out" / "masks" / "clavicle").iterdir()) == [f"{IDS[0]}.png"]
    text = "\n".join(done.notes)
    assert "no mask of the clavicle: JPCNN002." in text and "no .IMG file" in text and "no age" in text
    roles = (tmp_path / "out" / "cohort.yaml").read_text()
    assert "numeric: {}" in roles and "categorical: {}" in roles and "stratify: []" in roles


def test_other_layouts_are_understood(tmp_path):
    for name in ("Nodule154images/jpcln001.img", "NonNodule93images/JPCNN002.IMG", "x/._JPCNN002.IMG", "readme.txt"):
        _touch(tmp_path / name)
    for name in ("left_clavicle/JPCLN001.GIF", "b/RightClavicle/jpcln001.gif", "__MACOSX/heart/JPCLN001.gif"):
        _touch(tmp_path / name)
    _touch(tmp_path / "landmarks" / "JPCLN001.gif")
    _touch(tmp_path / "clndat_en.TXT")
    found = find_files(tmp_path, tmp_path)
    assert list(found.radiographs) == list(IDS) and not found.problems
    assert list(found.masks) == [("JPCLN001", "left clavicle"), ("JPCLN001", "right clavicle")]
    assert [path.name for path in found.clinical] == ["clndat_en.TXT"]


def _touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


_PEOPLE = st.dictionaries(
    st.sampled_from([f"JPCLN{n:03d}" for n in range(1, 30)] + [f"JPCNN{n:03d}" for n in range(1, 30)]),
    st.tuples(st.one_of(st.none(), st.integers(0, 110)), st.sampled_from([None, "female", "male"])),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(people=_PEOPLE, end=st.sampled_from(["\n", "\r", "\r\n", "\n\n", ""]), gap=st.sampled_from(["\t", " ", "   "]))
def test_clinical_texts_are_read_whatever_ends_their_lines(tmp_path_factory, people, end, gap):
    text = ""
    for name, (age, sex) in people.items():
        before = ["4", "25"] if name.startswith("JPCLN") else []
        after = ["1303", "447", "benign", "r.upper lobe(S1+2)"] if before else ["non-nodule"]
        words = [*before, "?" if age is None else str(age), sex or "?", *after]
        text += f"{name}.IMG{gap}{gap.join(words)}{end}"
    path = tmp_path_factory.mktemp("texts") / "CLNDAT_EN.txt"
    path.write_text(text, newline="")
    assert read_people([path, path]) == ({name: Person(*who) for name, who in people.items()}, [])


def test_the_command_converts_and_says_what_lacks(tree, tmp_path, capsys):
    out = tmp_path / "cohort"
    (tmp_path / "d.csv").write_text("radiograph_id,density\nJPCLN001,0.9\n")
    assert main(["jsrt", *map(str, tree), str(out), "--densities", str(tmp_path / "d.csv")]) == 0
    printed = capsys.readouterr().out
    assert "note: 2 of the 247" in printed and "no density: JPCNN002" in printed and f"{out / 'cohort.csv'}" in printed
    made = ["cohort.csv", "cohort.yaml", "images", "masks", "sources.json"]
    assert sorted(path.name for path in out.iterdir()) == made


def test_the_command_refuses_in_one_sentence(tree, tmp_path, capsys):
    assert main(["jsrt", str(tmp_path / "nowhere"), str(tree[1]), str(tmp_path / "cohort")]) == 2
    error = capsys.readouterr().err
    assert "error: JSRT, SCR" in error and "nowhere is no folder" in error and "Traceback" not in error
    assert not (tmp_path / "cohort").exists()
