"""The package as a whole: light to import, names that resolve, no banned imports."""

import gc
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


@pytest.mark.parametrize("before", [True, False])
def test_loading_a_name_leaves_the_garbage_collector_as_it_was(before, monkeypatch):
    seen = []
    switch = {True: gc.enable, False: gc.disable}
    real = xattn_bmd.import_module
    monkeypatch.setattr(xattn_bmd, "import_module", lambda name: seen.append(gc.isenabled()) or real(name))
    try:
        switch[before]()
        xattn_bmd.__getattr__("compare")
        assert seen == [False] and gc.isenabled() == before
        monkeypatch.setattr(xattn_bmd, "import_module", lambda name: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            xattn_bmd.__getattr__("compare")
        assert gc.isenabled() == before
    finally:
        gc.enable()


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match="compare"):
        _ = xattn_bmd.comparre


def test_only_one_lightning_namespace_is_used():
    sources = Path(xattn_bmd.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "import lightning" in path.read_text()]
