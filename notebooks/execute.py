"""Execute the notebooks and write each .ipynb, with its pictures, beside the .py script that it is made from.

    python notebooks/execute.py                      # all, in a new folder, as from a clean checkout
    python notebooks/execute.py 01_quickstart 06_optuna_study
    python notebooks/execute.py --folder notebooks   # keep what they make in notebooks/work, and continue it

The scripts are the source: edit those. A notebook that takes too long or grows too large is an error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
QUIET = "ignore:IProgress not found"
"""A warning of tqdm that is of no use here: it names a package that draws progress bars in a browser."""

SECONDS, BYTES = 90, 700_000
"""Longest run on two quiet CPU cores, and largest file."""


def scripts() -> list[Path]:
    """Return the scripts of all notebooks, in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def executed(
    script: Path, *, folder: Path, changed: Mapping[str, object] | None = None, kernel: AsyncKernelManager | None = None
) -> NotebookNode:
    """Return the notebook of a script with its outputs.

    Args:
        script: a script in percent format.
        folder: where it runs, and where it makes its folder ``work``.
        changed: other values for names of the cell that is tagged ``parameters``.
        kernel: runs it, is started where it is not yet, and is left running; a kernel of its own by default.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    notebook = jupytext.read(script)
    if changed:
        tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
        place = next(number for number, tag in enumerate(tags) if "parameters" in tag)
        source = notebook.cells[place].source
        lines = [f"{name} = {value!r}" for name, value in changed.items() if f"{name} =" in source]
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, km=kernel, timeout=1800, kernel_name="python3", record_timing=False, resources=where
    )
    client.execute(env=os.environ | {"PYTHONWARNINGS": QUIET})
    return same_each_time(notebook)


def same_each_time(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook without what differs from one execution to the next though the content does not."""
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place:02d}"
    notebook.metadata.pop("language_info", None)
    return notebook


def main(arguments: list[str]) -> int:
    """Execute the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="notebooks, without .py")
    parser.add_argument("--folder", type=Path, help="where they run; a new temporary folder each, unless stated")
    asked = parser.parse_args(arguments)
    chosen = [script for script in scripts() if not asked.names or script.stem in asked.names]
    if unknown := sorted(set(asked.names) - {script.stem for script in chosen}):
        parser.error(f"no such notebook: {', '.join(unknown)}")
    return int(not all([_write(script, asked.folder) for script in chosen]))


def _write(script: Path, folder: Path | None) -> bool:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as fresh:
        notebook = executed(script, folder=folder or Path(fresh))
    seconds = time.perf_counter() - started
    target = script.with_suffix(".ipynb")
    nbformat.write(notebook, target)
    size = target.stat().st_size
    within = seconds <= SECONDS and size <= BYTES
    print(f"{target.name:38} {seconds:5.0f} s {size / 1000:5.0f} kB{'' if within else '   TOO MUCH'}", flush=True)
    return within


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
