"""What class heads beside the density say of another cohort, beside what the predicted densities say."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from xattn_bmd.bone.reference import Reference, get_reference
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.metrics.tables.class_heads import class_heads_table
from xattn_bmd.training.external_rows import external_rows
from xattn_bmd.training.external_tables import Carried
from xattn_bmd.training.fits.class_table import class_head_table, class_table_columns
from xattn_bmd.training.prediction.fold_estimates import FoldEstimates


def class_head_predictions(
    cohort: Cohort, estimates: Mapping[str, FoldEstimates], *, reference: str
) -> pd.DataFrame | None:
    """Return the mean probabilities of the fold models' class heads, by predictor; None where none has such a head.

    Args:
        cohort: ``N`` radiographs with densities.
        estimates: what the fold models say, by model.
        reference: name of the reference whose cut-offs class the densities; not read where none has such a head.
    """
    heads = {model: one.classes.mean(axis=0) for model, one in estimates.items() if one.classes is not None}
    if not heads:
        return None
    known = get_reference(reference)
    shared = external_rows(cohort)
    parts = [
        class_head_table(said, cohort.targets, reference=known).assign(**shared, model=model)
        for model, said in heads.items()
    ]
    return pd.concat(parts, ignore_index=True)[class_table_columns(known)]


def external_class_heads(
    predictions: pd.DataFrame,
    said: pd.DataFrame,
    reference: Reference,
    carried: Mapping[str, Carried],
    *,
    seed: int,
    replicates: int,
) -> pd.DataFrame:
    """Return how well either tells the classes apart; chances of the densities by the development's recalibration.

    Args:
        predictions: of densities, by every predictor.
        said: from :func:`class_head_predictions`.
        reference: whose cut-offs class the densities.
        carried: what each predictor carries over.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.
    """
    lines = {model: one.development.recalibration for model, one in carried.items()}
    return class_heads_table(predictions, said, reference, lines=lines, seed=seed, replicates=replicates)
