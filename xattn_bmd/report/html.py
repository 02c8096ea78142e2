"""The page as one HTML file: no scripts, nothing fetched, every word from a user escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xattn_bmd.report.page import Section

_TEMPLATE = Path(__file__).parent / "template"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report's page.

    Attributes:
        title: its heading.
        subtitle: one line below it.
        banners: warnings that stand above everything, (tone, text); tone "alarm" or "plain".
        sections: the content.
        drawings: the drawing of every figure by its name: SVG text, or a ``data:`` address of a PNG.
        made_with: name and version of the software.
    """

    title: str
    subtitle: str
    banners: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    drawings: Mapping[str, str]
    made_with: str


def page_html(page: Page) -> str:
    """Return the page as HTML; the same page gives the same text.

    Example:
        >>> text = page_html(Page(title="<b>", subtitle="", banners=(), sections=(), drawings={}, made_with=""))
        >>> "&lt;b&gt;" in text, "<script" in text
        (True, False)
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = Markup((_TEMPLATE / "report.css").read_text(encoding="utf-8"))
    return environment.get_template("report.html.j2").render(page=page, style=style, drawn=Markup)
