"""Make ``populations.npz``: the principal components of the benchmark's femora and of the pretraining ones.

Run ``python population_asset.py --out xattn_bmd/simulate/assets/populations.npz``.

Ten of the benchmark's fifteen components have one and the same variance, so any rotation among them is as right, and
which one a decomposition returns is a matter of how the processor rounds: with OpenBLAS, AVX-512 kernels give other
bones than AVX2 kernels do.  The bench was frozen with the latter, and so the components are stored.  Made with
``OPENBLAS_CORETYPE=Haswell``, which the script asks for.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

CORE = "Haswell"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    if os.environ.get("OPENBLAS_CORETYPE") != CORE:
        parser.error(f"set OPENBLAS_CORETYPE={CORE}, the kernels that the bench was frozen with")

    import numpy as np

    from xattn_bmd.simulate.femur import femur_model

    model, made = femur_model(), {}
    for name, wanted in (("benchmark", True), ("pretraining", False)):
        scores = model.scores[np.isin(np.arange(len(model.scores)), model.benchmark) == wanted]
        kept = len(scores) - 1
        _, singular, directions = np.linalg.svd(scores - scores.mean(axis=0), full_matrices=False)
        made[name] = directions[:kept] * singular[:kept, None] / np.sqrt(kept)
    np.savez_compressed(asked.out, **made)
    print({name: values.shape for name, values in made.items()})
