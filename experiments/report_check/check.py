"""Open a report in headless Chromium and print what a reader would stumble over.

    python experiments/report_check/check.py RUN/report.html [--shots FOLDER] [--top PNG]

At each width it prints whether the page is wider than the screen, which elements stick out, errors of the console,
requests to anywhere, and every caption.  Ends with 1 where there is something to mend.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WIDTHS = (390, 1400)
_MEASURE = """
<script>
window.addEventListener("load", () => {
  const width = document.documentElement.clientWidth;
  const inside = (element) => element.closest(".scroll, pre, svg") && !element.matches(".scroll, pre");
  const out = [...document.querySelectorAll("body *")].filter(
    (element) => !inside(element) && element.getBoundingClientRect().right > width + 1);
  const facts = {
    width, content: document.documentElement.scrollWidth,
    out: out.slice(0, 8).map((element) => element.tagName + "#" + (element.id || element.className)),
    requests: performance.getEntriesByType("resource").map((entry) => entry.name.slice(0, 80)),
    captions: [...document.querySelectorAll("figcaption")].map((element) => element.textContent.trim()),
    figures: document.querySelectorAll("figure").length,
  };
  const report = document.createElement("pre");
  report.id = "measured";
  report.textContent = JSON.stringify(facts);
  document.body.append(report);
});
</script>
"""


def main() -> int:
    """Check one page at every width."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--shots", type=Path, help="folder for screenshots of the whole page, and its print")
    parser.add_argument("--top", type=Path, help="PNG of what a desk's screen shows first")
    parser.add_argument("--chromium", default="chromium")
    chosen = parser.parse_args()
    problems = 0
    for width in WIDTHS:
        facts, errors = measured(chosen.page, width=width, chromium=chosen.chromium)
        problems += len(errors) + len(facts["out"]) + (facts["content"] > facts["width"])
        problems += sum("n = " not in caption for caption in facts["captions"])
        problems += facts["figures"] != len(facts["captions"])
        print(f"{width} px: page {facts['content']} px wide on a screen of {facts['width']} px")
        print(f"  sticking out: {facts['out'] or 'nothing'}; requests: {facts['requests'] or 'none'}")
        print(f"  console errors: {errors or 'none'}; {facts['figures']} figures, {len(facts['captions'])} captions")
    print(*(f"- {caption}" for caption in facts["captions"]), sep="\n")
    if chosen.shots:
        shoot(chosen.page, chosen.shots, chromium=chosen.chromium)
    if chosen.top:
        _chromium(chosen.chromium, chosen.page, f"--screenshot={chosen.top.resolve()}", "--window-size=1200,760")
    return int(problems > 0)


def measured(page: Path, *, width: int, chromium: str) -> tuple[dict[str, Any], list[str]]:
    """Return what a script in a copy of the page measures, and the errors of the console."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        # A window is at least 500 px wide; a frame may be narrower.
        inner = Path(folder) / "inner.html"
        inner.write_text(page.read_text(encoding="utf-8").replace("</body>", _MEASURE + "</body>"), encoding="utf-8")
        copy.write_text(_FRAME.replace("WIDTH", str(width)), encoding="utf-8")
        ran = _chromium(chromium, copy, "--dump-dom", "--virtual-time-budget=8000", "--allow-file-access-from-files")
    found = re.search(r'<pre id="measured">(.*?)</pre>', ran.stdout, flags=re.DOTALL)
    if found is None:
        raise SystemExit(f"the page could not be measured: {ran.stderr[-500:]}")
    errors = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found[1])), errors


_FRAME = """<!DOCTYPE html><title>frame</title>
<iframe id="inner" src="inner.html" style="width:WIDTHpx;height:900px;border:0"></iframe>
<script>
const frame = document.getElementById("inner");
const copy = () => {
  const found = frame.contentDocument && frame.contentDocument.getElementById("measured");
  if (found) document.body.append(found.cloneNode(true)); else setTimeout(copy, 50);
};
copy();
</script>
"""


def shoot(page: Path, folder: Path, *, chromium: str) -> None:
    """Store screenshots of the page and its print as PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    _chromium(chromium, page, f"--print-to-pdf={folder.resolve() / 'print.pdf'}", "--no-pdf-header-footer")
    for width in WIDTHS:
        _chromium(chromium, page, f"--screenshot={folder.resolve() / f'{width}.png'}", f"--window-size={width},12000")


def _chromium(program: str, page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--v=0",
    ]
    return subprocess.run(
        [*command, *options, page.resolve().as_uri()], capture_output=True, text=True, timeout=120, check=False
    )


if __name__ == "__main__":
    sys.exit(main())
