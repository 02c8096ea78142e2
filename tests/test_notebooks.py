"""The notebooks: executed small, made of public names alone, and stored as their scripts say; and every name's page."""

import ast
import base64
import importlib.util
import os
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

import xattn_bmd

ROOT = Path(__file__).parents[1]
_FEWER = {"HIPS": 16, "FEW": 8, "NEW": 6, "ELSEWHERE": 8, "PEOPLE": 60, "CHANGED": 2}
SMALL = _FEWER | {"FOLDS": 2, "EPOCHS": 1, "TRIALS": 2, "SIZE": 96}
CELLS = "cell_type", "source"
NAMED = re.compile(r"""/([\w-]+)\.png"|figure_of\("([\w-]+)""")
DRAW = """
import sys
sys.path.insert(0, {root!r})
import pytest
from tests.report.pages import leave_out_drawing
from xattn_bmd.explanation import write as explanation
from xattn_bmd.report import write
leave_out_drawing(pytest.MonkeyPatch(), of=(write, explanation), but={shown!r})
%reset -sf
"""


def _loaded():
    spec = importlib.util.spec_from_file_location("execute", ROOT / "notebooks" / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


execute = _loaded()
SCRIPTS = pytest.mark.parametrize("script", execute.scripts(), ids=lambda script: script.stem)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """One folder for all, as a reader has it: the cohort is simulated once."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(autouse=True)
def _one_cache(workplace, monkeypatch):
    monkeypatch.setenv("XATTN_BMD_CACHE", str(workplace / "cache"))


@pytest.fixture(scope="module")
def one_kernel():
    manager = AsyncKernelManager(kernel_name="python3")
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


@pytest.fixture
def kernel(one_kernel, workplace, script):
    """One process for all, for most of its time goes into imports; what a notebook names is forgotten after it.

    Of the files of figures it draws those that the notebook names: other tests look at the many others.
    """
    named = {one or other for one, other in NAMED.findall(script.read_text())}
    _run(one_kernel, workplace, DRAW.format(root=str(ROOT), shown=named))
    yield one_kernel
    _run(one_kernel, workplace, "%reset -sf")


def _run(kernel, folder, source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    where = {"metadata": {"path": str(folder)}}  # of the kernel that replaces one that has died
    NotebookClient(notebook, km=kernel, resources=where).execute(env=os.environ | {"PYTHONWARNINGS": execute.QUIET})


@SCRIPTS
def test_a_notebook_runs(script, workplace, kernel):
    notebook = execute.executed(script, folder=workplace, changed=SMALL, kernel=kernel)
    outputs = _outputs(notebook)
    assert not [output for output in outputs if output.get("name") == "stderr"]
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert pictures and all(base64.b64decode(text).startswith(b"\x89PNG") for text in pictures)


@SCRIPTS
def test_a_notebook_is_stored_as_its_script_says_with_outputs_and_no_traces_of_a_machine(script):
    stored = script.with_suffix(".ipynb")
    notebook = nbformat.read(stored, as_version=4)
    assert _cells(notebook) == _cells(jupytext.read(script))
    assert stored.stat().st_size <= execute.BYTES
    outputs = _outputs(notebook)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    text = " ".join(map(_text, outputs))
    assert str(ROOT) not in text and not re.search(r"/(home|root|tmp|Users)/", text)


@SCRIPTS
def test_a_notebook_uses_public_names_only_and_says_what_is_simulated(script):
    source = script.read_text()
    assert _imported(source) <= set(xattn_bmd.__all__)
    assert not re.search(r"[\w)\]]\._[a-z]", source)
    first = jupytext.read(script).cells[0]
    assert first.cell_type == "markdown" and "simulated" in first.source.lower()


@pytest.mark.parametrize(
    "source", ["import xattn_bmd.data.cohort", "from xattn_bmd.types import Batch", "from xattn_bmd import Batch"]
)
def test_a_name_that_is_not_public_is_found(source):
    assert not _imported(source) <= set(xattn_bmd.__all__)


def test_a_cell_that_fails_fails_the_notebook(tmp_path):
    script = tmp_path / "broken.py"
    script.write_text('# %% tags=["parameters"]\nHIPS = 1\n\n# %%\nassert HIPS == 1\n')
    execute.executed(script, folder=tmp_path)
    with pytest.raises(Exception, match="AssertionError"):
        execute.executed(script, folder=tmp_path, changed={"HIPS": 2, "unknown": 3})


def test_every_public_name_has_its_place_in_the_reference():
    pages = [page.read_text() for page in (ROOT / "docs" / "api").glob("*.md")]
    described = re.findall(r"\.\. auto\w+:: xattn_bmd(?:\.\w+)*\.(\w+)$", "\n".join(pages), flags=re.MULTILINE)
    assert set(xattn_bmd.__all__) <= set(described)


def test_the_guide_includes_sections_that_the_readme_has():
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        for mark in re.findall(r'^:(?:start-after|end-before): "(.*)"$', page.read_text(), flags=re.MULTILINE):
            assert f"{mark}\n" in readme, (page.name, mark)


def _cells(notebook):
    return [tuple(cell[part] for part in CELLS) for cell in notebook.cells]


def _outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def _text(output):
    return output.get("text", "") + output.get("data", {}).get("text/plain", "")


def _imported(source):
    """Names taken from the package; those taken from one of its modules with the module's name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "xattn_bmd":
            inside = node.module != "xattn_bmd"
            found |= {f"{node.module}.{name.name}" if inside else name.name for name in node.names}
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.startswith("xattn_bmd.")}
    return found
