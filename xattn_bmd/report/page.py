"""What a report's page is made of: sections of paragraphs, figures and tables, without any HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
        text: what stands in it.
        detail: a second, smaller line (an interval); empty for none.
    """

    text: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Prose:
    """A paragraph.

    Attributes:
        text: plain text.
        tone: "text", "key" (the result in large type), "note" (small print) or "warning".
    """

    kind: ClassVar[str] = "prose"
    text: str
    tone: Literal["text", "key", "note", "warning"] = "text"


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list of short statements."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Pairs of a name and what is known about it."""

    kind: ClassVar[str] = "terms"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Code:
    """Text shown letter by letter, such as a configuration file.

    Attributes:
        label: what it is, for readers who do not see it.
        text: the content.
    """

    kind: ClassVar[str] = "code"
    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a caption; the first column names the row.

    Attributes:
        name: unique within the page; letters, digits and hyphens.
        caption: what it shows, with n.
        columns: headings.
        rows: as many cells as headings each.
        notes: small print below it.
        words: positions of columns that hold words, which stand at the left.
        wording: whether all cells hold sentences, which wrap.
    """

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    words: tuple[int, ...] = ()
    wording: bool = False


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with a caption.

    Attributes:
        name: unique within the page; the name of its files.
        caption: what it shows, with n and whether it is simulated.
        label: one sentence for readers who do not see it.
        figure: what is drawn.
    """

    kind: ClassVar[str] = "picture"
    name: str
    caption: str
    label: str
    figure: Figure


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Figures side by side where the screen is wide enough."""

    kind: ClassVar[str] = "gallery"
    pictures: tuple[Picture, ...]


Block: TypeAlias = Prose | Bullets | Terms | Code | Table | Picture | Gallery


@dataclass(frozen=True, kw_only=True)
class Section:
    """A numbered part of the page.

    Attributes:
        name: its anchor.
        title: its heading.
        blocks: what stands under the heading.
        parts: sections within it.
    """

    name: str
    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Section, ...] = field(default=())


def pictures(sections: tuple[Section, ...]) -> Iterator[Picture]:
    """Yield every figure in the order of the page."""
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Picture):
                yield block
            if isinstance(block, Gallery):
                yield from block.pictures
        yield from pictures(section.parts)
