"""Check that every link inside the built pages leads somewhere: `python docs/check_links.py docs/_build/html`."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """The links of a page, and the places in it that a link can name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            if name in ("id", "name") and value:
                self.places.add(value)


def broken_links(root: Path) -> list[str]:
    """Return each link to a page, file or heading that is not there, with the page that has it."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in root.resolve().rglob("*.html")}
    return sorted(
        f"{path.relative_to(root.resolve())}: {link}"
        for path, page in pages.items()
        for link in page.links
        if not urlsplit(link).scheme and not urlsplit(link).netloc and not _leads(link, path, pages)
    )


def _leads(link: str, path: Path, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target not in pages:
        return target.is_file()
    return unquote(parts.fragment) in pages[target].places


if __name__ == "__main__":
    found = broken_links(Path(sys.argv[1]))
    print(*found, f"{len(found)} broken links", sep="\n")
    sys.exit(bool(found))
