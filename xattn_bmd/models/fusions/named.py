"""Fusions by name: those of this package, and a class of your own by the place where it is defined.

A fusion of your own is a class at the top of a file that Python can import.  Say that ``my_fusions.py`` holds::

    from xattn_bmd.models.fusion import Fused, Fusion
    from xattn_bmd.models.fusions.capacity import matched_hidden_width, vector_mlp

    class ProductFusion(Fusion):
        def __init__(self, config):
            super().__init__(config)
            width = config.width
            hidden = matched_hidden_width(config, per_unit=2 * width + 1, fixed=width)
            self.mlp = vector_mlp(inputs=width, hidden=hidden, width=width, dropout=config.dropout)

        def forward(self, image_BPD, variables_BVD):
            return Fused(self.mlp(image_BPD.mean(1) * variables_BVD.mean(1)), None)

It is compared under the name ``my_fusions.ProductFusion``, or by passing the class, which stands for that name::

    compare(cohort, out="RUN", models=["concat", "my_fusions.ProductFusion"])

The name says where the class is, so a worker process and a later session find it as the first one did; a name that had
to be registered first would mean nothing to them.  The file must be importable in each of them (installed, or in a
folder named by ``PYTHONPATH``).  A run folder holds the name and a digest of the class's source, never code; what is
imported is what this machine already has.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
from functools import lru_cache
from importlib import import_module
from typing import Any

from xattn_bmd.errors import ModelError
from xattn_bmd.models.fusion import Fusion
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.fusions.backbone_names import fusion_part


def is_fusion(name: str) -> bool:
    """Tell whether a name is that of a fusion: of this package, or, with a dot, of a class of your own.

    Its backbone may follow: :mod:`~xattn_bmd.models.fusions.backbone_names`.

    Example:
        >>> is_fusion("xattn"), is_fusion("my_fusions.ProductFusion"), is_fusion("ridge"), is_fusion("late@resnet50")
        (True, True, False, True)
    """
    own = fusion_part(name)
    return "+" not in name and (own in FUSIONS or "." in own)


def fusion_named(name: str) -> type[Fusion]:
    """Return the class of a fusion.

    Args:
        name: a name in :data:`~xattn_bmd.models.fusions.FUSIONS`, or ``package.module.ClassName``; what follows ``@``
            is not read.

    Raises:
        ModelError: if there is none of that name, or it cannot be imported here.

    Example:
        >>> fusion_named("xattn").__name__
        'CrossAttentionFusion'
        >>> fusion_named("xattn_bmd.models.fusions.late.LateFusion").__name__
        'LateFusion'
    """
    name = fusion_part(name)
    if "." in name:
        return _own(name)
    if name not in FUSIONS:
        near = difflib.get_close_matches(name, FUSIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "choose one, or name your own: package.module.Class."
        raise ModelError(f"A fusion is one of {', '.join(FUSIONS)}, but {name!r} was given; {hint}")
    return FUSIONS[name]


def fusion_name(kind: type[Fusion]) -> str:
    """Return the name under which a class is found again, in this process and in any other.

    Args:
        kind: a fusion of this package or of your own.

    Raises:
        ModelError: if it cannot be found by that name, as a class of a script, a notebook or a function cannot.

    Example:
        >>> from xattn_bmd.models.fusions.late import LateFusion
        >>> fusion_name(LateFusion)
        'late'
    """
    known = [name for name, fusion in FUSIONS.items() if fusion is kind]
    name = known[0] if known else f"{kind.__module__}.{kind.__qualname__}"
    if fusion_named(name) is not kind:
        raise ModelError(
            f"A class that is compared is found again by its name, but {name} is now another class; import it anew."
        )
    return name


def source_digest(name: str) -> str | None:
    """Return the SHA-256 of the source of a fusion of your own, with that of its own base classes.

    What else its file holds is no part of it.

    Args:
        name: name of a model.

    Returns:
        64 hexadecimal digits; None for a model of this package, and where Python does not know the source.

    Raises:
        ModelError: if the class cannot be imported here.

    Example:
        >>> source_digest("xattn") is None
        True
    """
    if fusion_part(name) in FUSIONS or not is_fusion(name):
        return None
    kind: Any = fusion_named(name)  # hashable, though not by its type
    return _source_digest(kind)


def check_source(name: str, *, digest: str | None) -> None:
    """Refuse a fusion of your own whose source is not the one that a fit was made with.

    Args:
        name: name of a model.
        digest: what :func:`source_digest` said then.

    Raises:
        ModelError: if it cannot be imported here, or its source is another one.

    Example:
        >>> check_source("xattn", digest=None)
    """
    found = source_digest(name)
    if None not in (found, digest) and found != digest:
        raise ModelError(
            f"A fitted network is read with the class that it was trained with, but the source of {name} has changed "
            "since; put it back, or give the new class another name and run `compare` again."
        )


@lru_cache(maxsize=64)  # what was imported, even where the file is edited afterwards
def _source_digest(kind: type[Fusion]) -> str | None:
    package = __name__.partition(".")[0]
    own = [part for part in kind.__mro__ if issubclass(part, Fusion) and part.__module__.partition(".")[0] != package]
    try:
        source = "\n".join(map(inspect.getsource, own))
    except (OSError, TypeError):  # compiled, or typed in
        return None
    return hashlib.sha256(source.encode()).hexdigest() if own else None


def _own(name: str) -> type[Fusion]:
    module, _, class_name = name.rpartition(".")
    if not all(part.isidentifier() for part in name.split(".")) or module == "__main__":
        raise ModelError(
            "A fusion of your own is a class at the top of a file that can be imported, package.module.ClassName, "
            f"but {name!r} was given; move the class to a file of its own, not the script that is run."
        )
    try:
        found = getattr(import_module(module), class_name)
    except (ImportError, AttributeError) as cause:
        raise ModelError(
            f"A fusion of your own is imported by every process that uses it, but {name!r} cannot be ({cause}); "
            "install its package, or put its folder on PYTHONPATH, here and on every worker."
        ) from cause
    if not (isinstance(found, type) and issubclass(found, Fusion)):
        raise ModelError(
            f"A fusion of your own is a subclass of xattn_bmd.models.fusion.Fusion, but {name!r} is none; derive it."
        )
    return found
