"""Figures as files and as text for a page: the same data give the same bytes."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from xattn_bmd.atomic import atomic_write
from xattn_bmd.report.figures.style import look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 150
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_NAMED = re.compile(r'(\bid="|url\(#|href="#)')


def save_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as ``stem.svg`` and ``stem.png`` (150 dots per inch); existing files are replaced.

    Both are the same to the byte for the same data; the letters of the SVG are outlines, so it looks the same
    everywhere and asks for no font.

    Args:
        figure: any figure of this package.
        stem: path without suffix; its folder is made where it does not exist.

    Raises:
        RunError: if the disk is full or cannot be written.
    """
    picture = io.BytesIO()
    with look(), _laid_out(figure):
        figure.savefig(picture, format="png", dpi=PNG_DPI, metadata={"Software": None})
        svg = svg_text(figure)
    stem.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(stem.parent / f"{stem.name}.svg", '<?xml version="1.0" encoding="utf-8"?>\n' + svg)
    atomic_write(stem.parent / f"{stem.name}.png", picture.getvalue())


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Find the places of a figure's parts once, where matplotlib would before each file, with a blank drawing each."""
    engine = figure.get_layout_engine()
    if engine is not None and figure.axes:
        engine.execute(figure)
    figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def svg_text(figure: Figure, *, label: str = "") -> str:
    """Return a figure as an ``<svg>`` element to be put into a page.

    Its ids start with a digest of the figure, so several figures on one page do not take each other's parts.

    Args:
        figure: any figure of this package.
        label: what the figure shows, for readers who cannot see it; empty where a caption says it.

    Example:
        >>> from xattn_bmd.report.figures.style import sentence
        >>> svg_text(sentence("Nothing to draw."), label="Empty")[:42]
        '<svg role="img" aria-label="Empty" xmlns:x'
    """
    stream = io.StringIO()
    with look(), _laid_out(figure):
        figure.savefig(stream, format="svg", metadata=dict(_NO_METADATA))
    drawn = re.sub(r"\s*<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    element = drawn[drawn.index("<svg ") :]
    prefix = "f" + hashlib.sha256(element.encode()).hexdigest()[:10] + "-"
    named = _NAMED.sub(lambda match: match[1] + prefix, element)
    described = f' role="img" aria-label={quoteattr(label)}' if label else ' role="img"'
    return "<svg" + described + named.removeprefix("<svg")
