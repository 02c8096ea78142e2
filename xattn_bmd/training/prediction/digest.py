"""A digest of all that a predictor's estimates follow from, wherever its files lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.training.prediction.predictor import Predictor


def predictor_digest(predictor: Predictor) -> str:
    """Return the SHA-256 of a predictor: weights, encoders, crop stage, image settings, reference, development cohort.

    Args:
        predictor: a loaded predictor; a saved copy has the same digest.
    """
    digest = hashlib.sha256()
    known: dict[int, bytes] = {}
    described = {
        "model": predictor.model,
        "image": asdict(predictor.image),
        "reference": predictor.reference,
        "simulated": predictor.simulated,
        "development": predictor.development.to_dict(),
        "withheld": {seen: found.to_dict() for seen, found in predictor.withheld.items()},
    }
    if predictor.crop_digest:
        described["crop"] = predictor.crop_digest
    digest.update(json.dumps(described, sort_keys=True).encode())
    for one in (part for fold in predictor.estimators for part in (fold, *fold.members)):
        network = None if one.network is None else asdict(one.network)
        rest = [asdict(view) for view in one.views], one.seeds
        digest.update(json.dumps([one.encoder.to_dict(), network, rest], sort_keys=True).encode())
        for name, value in sorted(one.tensors.items()):
            if id(value) not in known:  # members share what is frozen
                known[id(value)] = _tensor_digest(value)
            digest.update(name.encode() + known[id(value)])
    return digest.hexdigest()


def _tensor_digest(value: NDArray[Any]) -> bytes:
    return hashlib.sha256(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()).digest()
