"""A made-up tree of files of the shape of JSRT and SCR: two chests, drawn with rectangles."""

from pathlib import Path

import numpy as np
from PIL import Image

IDS = ("JPCLN001", "JPCNN002")
TISSUE, LUNG, BONE, MARK = 1500, 3500, 600, 0x0102
"""Raw levels: the film is dark, and the level high, where many rays passed."""

MARKED = (5, 7)
RECTANGLES = {  # top, bottom, left, right of each part, in pixels of SCR
    "left clavicle": (100, 120, 560, 800),
    "right clavicle": (104, 124, 220, 460),
    "left lung": (200, 700, 560, 860),
    "right lung": (200, 700, 160, 460),
    "heart": (500, 720, 470, 550),
}
_NODULES = "JPCLN001.IMG\t5\t15\t53\tmale\t1634\t692\tmalignant\tl.upper lobe\t\tlung cancer\r"
_OTHERS = "JPCNN002.IMG  ?  female non-nodule\r\n"


def write_tree(root: Path) -> tuple[Path, Path]:
    """Write both databases as their archives unpack and return their folders."""
    jsrt, scr = root / "jsrt", root / "scr"
    for number, name in enumerate(IDS):
        write_film(jsrt / "All247images" / f"{name}.IMG", film(number))
        for part in RECTANGLES:
            write_mask(scr / f"fold{number + 1}" / "masks" / part / f"{name}.gif", drawn(part, number))
    texts = jsrt / "Clinical_Information"
    texts.mkdir()
    (texts / "CLNDAT_EN.txt").write_text(_NODULES, newline="")
    (texts / "CNNDAT_EN.TXT").write_text(_OTHERS, newline="")
    return jsrt, scr


def drawn(part: str, number: int) -> np.ndarray:
    """Return one mask of SCR, ``(1024, 1024)`` bool; the second chest lies 10 pixels lower."""
    top, bottom, left, right = RECTANGLES[part]
    mask = np.zeros((1024, 1024), dtype=bool)
    mask[top + 10 * number : bottom + 10 * number, left:right] = True
    return mask


def film(number: int) -> np.ndarray:
    """Return the raw levels of one chest, ``(2048, 2048)``, drawn in their own pixels."""
    levels = np.full((2048, 2048), TISSUE, dtype=np.uint16)
    for part, level in (("lung", LUNG), ("clavicle", BONE)):
        for name, (top, bottom, left, right) in RECTANGLES.items():
            if part in name:
                levels[2 * top + 20 * number : 2 * bottom + 20 * number, 2 * left : 2 * right] = level
    levels[MARKED] = MARK
    return levels


def write_film(path: Path, levels: np.ndarray, *, order: str = ">") -> None:
    """Write an ``.IMG`` file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(levels.astype(f"{order}u2").tobytes())


def write_mask(path: Path, mask: np.ndarray, *, inside: int = 255) -> None:
    """Write a ``.gif`` file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * np.uint8(inside)).save(path)
