import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.report.tables import comparison_table

LUNAR = get_reference("lunar_femoral_neck_white_female")


def text_of(table, *, against="concat", optimistic=False, simulated=False):
    return comparison_table(
        metrics_table(table, replicates=100),
        screening_table(table, LUNAR, replicates=100),
        comparisons_table(table, against=against, replicates=100),
        optimistic=optimistic,
        simulated=simulated,
    )


def test_one_line_per_model_with_its_numbers():
    table = made_up_table()
    text = text_of(table)
    pooled = metrics_table(table, replicates=100).set_index("model")
    screened = screening_table(table, LUNAR, replicates=100)
    for model in ("xattn", "concat", "ridge"):
        (line,) = [line for line in text.splitlines() if line.startswith(model)]
        r2 = pooled[(pooled["metric"] == "r2")].loc[model].iloc[0]
        assert f"{r2['value']:.3f} [{r2['low']:.3f}, {r2['high']:.3f}]" in line
        found = screened[(screened["model"] == model) & (screened["threshold"] == -1.0)].set_index("metric")["value"]
        shown = " ".join(f"{found[metric]:.3f}" for metric in ("auroc", "sensitivity", "specificity"))
        assert shown in " ".join(line.split())
    compared = comparisons_table(table, replicates=100)
    change = (
        compared[compared["test"] == PAIRED_BOOTSTRAP]
        .set_index(["model_a", "metric"])
        .loc[("xattn", "mse"), "relative"]
    )
    assert f"{100 * change:+.1f} % [" in text
    assert "40 radiographs of 40 patients" in text
    assert "lunar_femoral_neck_white_female" in text
    assert "T < -1 (density < 0.899" in text


@pytest.mark.parametrize("optimistic", [False, True])
@pytest.mark.parametrize("simulated", [False, True])
def test_labels_appear_only_where_they_apply(optimistic, simulated):
    text = text_of(made_up_table(), optimistic=optimistic, simulated=simulated)
    assert ("OPTIMISTIC" in text) == optimistic
    assert ("SIMULATED" in text) == simulated


def test_fits_a_console_and_holds_no_control_characters(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    models = ("xattn", "concat", "a_model_with_a_very_long_name_indeed", "[bold]odd[/bold]")
    text = text_of(made_up_table(models=models))
    assert max(map(len, text.splitlines())) <= 118
    assert "\x1b" not in text
    assert "[bold]odd[/bold]" in text


def test_without_the_model_to_compare_with():
    text = text_of(made_up_table(models=("xattn", "ridge")))
    assert "MSE vs" not in text


def test_undefined_numbers_are_dashes():
    table = made_up_table(patients=1, per_patient=1, folds=1)
    assert "nan" not in text_of(table)


def test_a_model_without_a_comparison_has_a_dash():
    table = made_up_table()
    comparisons = comparisons_table(table, replicates=50).query("model_a != 'ridge'")
    text = comparison_table(
        metrics_table(table, replicates=50),
        screening_table(table, LUNAR, replicates=50),
        comparisons,
        optimistic=False,
        simulated=False,
    )
    (line,) = [line for line in text.splitlines() if line.startswith("ridge")]
    assert line.endswith(" -")
