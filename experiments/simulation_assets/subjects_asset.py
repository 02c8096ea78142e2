"""Make ``subjects.json``: the generative model of the clinical record, aggregate numbers only.

Run ``python subjects_asset.py --data FOLDER_WITH_TABULAR --out xattn_bmd/simulate/assets/subjects.json``.

Source: NHANES 2005-2014 public-use files (CDC/NCHS), adults of 50 to 85 years with a femoral-neck DXA, unweighted.
Per sex: mean and SD of height and log weight at 65 years with their slopes on age; 11 quantiles of alcohol, activity
and diet; the rank correlations of a Gaussian copula; the probabilities of smoking in three age bands; the regression
of femoral-neck BMD (Lunar equivalent) on the other variables; the share of missing answers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

COPULA = ("height", "weight", "alcohol", "activity", "diet")
SMOKING = ("never", "former", "current")
LEVELS = np.linspace(0, 1, 21)


def main() -> None:
    """Estimate every parameter and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    table = pd.read_csv(arguments.data / "nhanes_fn_bmd_2005_2014.csv.gz")
    table = (
        table[table.age_years.between(50, 85)]
        .drop(columns="fn_bmd")
        .rename(
            columns={
                "age_years": "age",
                "height_cm": "height",
                "weight_kg": "weight",
                "alcohol_drinks_week": "alcohol",
                "activity_met_min_week": "activity",
                "diet_self_rating": "diet",
                "fn_bmd_lunar_est": "fn_bmd",
            }
        )
    )
    model = {
        "provenance": "NHANES 2005-2014 public-use files, CDC/NCHS; adults 50-85 with femoral-neck DXA; unweighted "
        "aggregate estimates only; femoral-neck BMD mapped to the Lunar scale by 1.1576*Hologic + 0.0447",
        "n": len(table),
        "sexes": {name: _sex(table[table.sex == code]) for name, code in (("female", "F"), ("male", "M"))},
    }
    arguments.out.write_text(json.dumps(model, indent=1) + "\n")


def _sex(part: pd.DataFrame) -> dict[str, object]:
    z = pd.DataFrame({name: _normal_scores(_without_age(part, name)) for name in COPULA})
    return {
        "n": len(part),
        "height": _trend(part.age, part.height),
        "log_weight": _trend(part.age, np.log(part.weight)),
        "quantiles": {n: np.nanquantile(part[n], LEVELS).round(3).tolist() for n in ("alcohol", "activity", "diet")},
        "age_rank_correlation": {
            n: round(part.age.corr(part[n], "spearman"), 4) for n in ("alcohol", "activity", "diet")
        },
        "copula": z.corr().round(4).to_numpy().tolist(),
        "smoking": [_smoking(part, low, high) for low, high in ((50, 60), (60, 72), (72, 86))],
        "smoking_ages": [55, 66, 77],
        "bmd": _regression(part),
        "missing": {n: round(float(part[n].isna().mean()), 4) for n in ("smoking", "alcohol", "activity", "diet")},
    }


def _normal_scores(values: pd.Series) -> pd.Series:
    return pd.Series(norm.ppf((values.rank() - 0.5) / values.notna().sum()), index=values.index)


def _without_age(part: pd.DataFrame, name: str) -> pd.Series:
    rank = _normal_scores(part[name])
    age = _normal_scores(part.age)
    return rank - rank.cov(age) / age.var() * age


def _trend(age: pd.Series, values: pd.Series) -> dict[str, float]:
    good = values.notna()
    slope, at_65 = np.polyfit(age[good] - 65, values[good], 1)
    residual = values[good] - at_65 - slope * (age[good] - 65)
    return {"at_65": round(at_65, 4), "per_year": round(slope, 5), "sd": round(float(residual.std()), 4)}


def _smoking(part: pd.DataFrame, low: int, high: int) -> list[float]:
    chosen = part.smoking[part.age.between(low, high - 1)].dropna()
    return [round(float((chosen == name).mean()), 4) for name in SMOKING]


def _regression(part: pd.DataFrame) -> dict[str, float]:
    good = part.dropna(subset=["height", "weight", "alcohol", "diet", "smoking"])
    columns = {
        "at_reference": np.ones(len(good)),
        "age": good.age - 65,
        "height": good.height - 165,
        "log_weight": np.log(good.weight / 75),
        "log_alcohol": np.log1p(good.alcohol),
        "log_activity": np.log1p(good.activity.fillna(0) / 500),
        "diet": good.diet - 3,
        "former": (good.smoking == "former") * 1.0,
        "current": (good.smoking == "current") * 1.0,
    }
    design = np.column_stack(list(columns.values()))
    weights, *_ = np.linalg.lstsq(design, good.fn_bmd, rcond=None)
    residual = good.fn_bmd - design @ weights
    print("R2 within sex", round(1 - residual.var() / good.fn_bmd.var(), 3), "skewness", round(residual.skew(), 2))
    fitted = {name: round(float(w), 5) for name, w in zip(columns, weights, strict=True)}
    return fitted | {"residual_sd": round(float(residual.std()), 5)}


if __name__ == "__main__":
    main()
