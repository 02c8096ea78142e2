import numpy as np
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import t_score
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.predictions import validate_predictions

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=60).assign(site=lambda t: np.where(t["radiograph_id"].str[-1] < "5", "a", "b"))


def scaled(table, column, factor, rows=slice(None)):
    table = table.copy()
    table.loc[rows, column] *= factor
    return table


def t_scores(table, column):
    return table.assign(**{column: t_score(table[column], reference=LUNAR)})


def standardised(table):
    rows = table["model"] == "concat"
    values = table.loc[rows, "prediction"]
    return table.assign(prediction=table["prediction"].mask(rows, (values - values.mean()) / values.std()))


FAULTS = {
    "all targets in mg": (
        lambda t: scaled(t, "target", 1000),
        "target .* but 180 of 180 rows are more.*divide by 1000",
    ),
    "all predictions in mg": (lambda t: scaled(t, "prediction", 1000), "prediction .*180 of 180.*mg/cm²"),
    "a site in mg": (
        lambda t: scaled(t, "target", 1000, t["site"] == "b"),
        r"the units are mixed: \d+ of 180 rows \(every row of site b\) are more",
    ),
    "a model in mg": (
        lambda t: scaled(t, "prediction", 1000, t["model"] == "ridge"),
        r"mixed: 60 of 180 rows \(every row of model ridge\) are more, the first is \d+\.?\d* for radiograph r0",
    ),
    "one row in mg": (
        lambda t: scaled(t, "prediction", 1000, 3),
        r"mixed: 1 of 180 rows are more.* radiograph r3 and model xattn \(row 4\); it looks like mg",
    ),
    "a diverged model": (
        lambda t: scaled(t, "prediction", -1e8, 3),
        "leave the radiograph out",
    ),
    "SD in mg": (lambda t: t.assign(sd=90.0), "sd is in g/cm² and at most 10"),
    "targets as T-scores": (lambda t: t_scores(t, "target"), "target .* looks like a T-score"),
    "a target of 0": (
        lambda t: scaled(t, "target", 0, t["radiograph_id"] == "r7"),
        "3 of 180 rows are not.*is 0 .*mend it",
    ),
    "predictions as T-scores": (lambda t: t_scores(t, "prediction"), "% of model xattn's are 0 or less.*T-scores"),
    "standardised predictions": (standardised, r"% of model concat's are 0 or less.*standardised values"),
}


@pytest.mark.parametrize(("break_it", "words"), FAULTS.values(), ids=FAULTS)
def test_other_units_are_refused(break_it, words):
    with pytest.raises(MetricError, match=words):
        validate_predictions(break_it(TABLE))


def test_a_bad_model_may_leave_the_plausible_range():
    bad = TABLE.copy()
    ridge = bad.index[bad["model"] == "ridge"]
    bad.loc[ridge[:5], "prediction"] = [-0.4, 0.0, 3.5, 9.0, -0.1]
    assert len(validate_predictions(bad)) == len(TABLE)


def test_thin_and_dense_bones_pass():
    for value in (0.1, 0.3, 2.0, 3.0):
        assert len(validate_predictions(TABLE.assign(target=value))) == len(TABLE)


def qct(table):
    """Return the table in the numbers of QCT: 0.9 becomes 126 mg/cm³."""
    return table.assign(**{name: 140 * table[name] for name in ("target", "prediction")}, unit="mg/cm3")


def test_a_table_that_says_so_is_in_volumetric_density():
    table = qct(TABLE)
    assert validate_predictions(table)["unit"].eq("mg/cm3").all()
    fat = table.assign(target=table["target"].mask(table["radiograph_id"] == table["radiograph_id"].iloc[0], -12.0))
    validate_predictions(fat)
    validate_predictions(TABLE.assign(unit="g/cm2"))


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (lambda t: t.drop(columns="unit"), "target is in g/cm² and at most 10"),
        (lambda t: t.assign(unit="g/cm2"), "target is in g/cm² and at most 10"),
        (lambda t: t.assign(unit=np.where(t["model"] == "concat", "g/cm2", "mg/cm3")), "All rows .* have one unit"),
        (lambda t: t.assign(unit="HU"), "one unit, g/cm2 or mg/cm3, but HU"),
        (lambda t: t.assign(unit=None), "one unit"),
        (lambda t: scaled(t, "prediction", 1000), "prediction is in mg/cm³ and at most 2000"),
        (lambda t: TABLE.assign(unit="mg/cm3"), "target is in mg/cm³, but none is above 10"),
    ],
)
def test_volumetric_densities_in_another_unit_are_refused(fault, rule):
    with pytest.raises(MetricError, match=rule):
        validate_predictions(fault(qct(TABLE)))
