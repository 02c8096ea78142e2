"""The package as a whole: light to import, names that resolve, no banned imports."""

import subprocess
import sys
from pathlib import Path

import pytest

import xattn_bmd

HEAVY = ("torch", "timm", "pytorch_lightning", "pandas", "sklearn", "scipy", "matplotlib")


def _loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import xattn_bmd",
        "import xattn_bmd.cli",
        "import xattn_bmd.config, xattn_bmd.types, xattn_bmd.errors",
        "from xattn_bmd import t_score, get_reference",
    ],
)
def test_light_imports_load_nothing_heavy(code):
    assert not _loaded_after(code) & set(HEAVY)


def test_help_loads_nothing_heavy():
    code = (
        "import xattn_bmd.cli, contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    try:\n        xattn_bmd.cli.main(['--help'])\n    except SystemExit:\n        pass"
    )
    assert not _loaded_after(code) & set(HEAVY)


def test_every_public_name_resolves_and_is_documented():
    for name in xattn_bmd.__all__:
        assert getattr(xattn_bmd, name).__doc__, name
    assert set(xattn_bmd.__all__) <= set(dir(xattn_bmd))


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match="compare"):
        _ = xattn_bmd.comparre


def test_only_one_lightning_namespace_is_used():
    sources = Path(xattn_bmd.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "import lightning" in path.read_text()]
