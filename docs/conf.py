"""Settings of the documentation: `sphinx-build -W -b html docs docs/_build/html`."""

import shutil
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
CHAPTERS = HERE / "notebooks"

project = "xattn_bmd"
author = "The xattn_bmd authors"
copyright = "The xattn_bmd authors; Apache-2.0"
try:
    release = metadata.version("xattn-bmd")
except metadata.PackageNotFoundError:
    release = ""

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "jupyter_execute", "README.md"]
html_theme = "furo"
html_title = "xattn_bmd"
html_show_sourcelink = False
html_copy_source = False

# The notebooks are committed with their outputs; a build executes nothing.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True


def copy_notebooks() -> None:
    """Copy the executed notebooks to where Sphinx looks for chapters."""
    shutil.rmtree(CHAPTERS, ignore_errors=True)
    CHAPTERS.mkdir()
    for notebook in sorted((HERE.parent / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        shutil.copy(notebook, CHAPTERS)


copy_notebooks()
