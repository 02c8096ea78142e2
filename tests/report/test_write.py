import json
import math
import re

import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from tests.report.pages import LUNAR, PageParts, made_up_record, made_up_run
from xattn_bmd.errors import ConfigError, MetricError, RunError
from xattn_bmd.report import write
from xattn_bmd.report.write import SECTIONS, write_report

EXPECTED = {
    *("key-result", "cohort", "flow", "models", "differences", "detectable", "agreement", "scatter", "bland-altman"),
    *("calibration", "screening", "screening-tm1", "screening-tm2p5", "classes", "reclassification", "utility"),
    *(
        "triage",
        "decision-curve",
        "external",
        "uncertainty",
        "subgroups",
        "attention",
        "inputs",
        "masks",
        "explanations",
        "folds",
        "settings",
        "configuration",
    ),
    *("environment", "methods", "checklists", "tripod-ai", "claim"),
}
HOSTILE = '<b onload="x">x</b>'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = made_up_run(tmp_path_factory.mktemp("made") / "RUN", models=("xattn", "concat", "image_only"))
    write_report(folder, replicates=30)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return (run / "report.html").read_text()


@pytest.fixture(scope="module")
def parts(page):
    return PageParts(page)


def report_of(table, tmp_path, **options):
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    return PageParts(write_report(path, reference=LUNAR, replicates=20, **options).read_text())


def test_the_page_stands_alone(page, parts):
    assert parts.count("script") == 0 and parts.count("iframe") == 0
    assert all(address.startswith(("#", "data:")) for address in parts.addresses)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page
    assert not [name for _, named in parts.tags for name in named if name.startswith("on")]


def test_every_section_is_there_and_the_contents_lead_to_them(parts):
    assert set(parts.sections) == EXPECTED
    assert len([address for address in parts.addresses if address.startswith("#")]) >= len(SECTIONS)
    assert {address[1:] for address in parts.addresses if address.startswith("#")} <= set(parts.ids)
    assert len(set(parts.ids)) == len(parts.ids)


def test_every_figure_has_a_caption_with_n_and_a_label(parts):
    assert parts.count("figure") == len(parts.captions) > 20
    assert all("n = 40 radiographs of 40 patients; simulated." in caption for caption in parts.captions)
    drawings = [named for tag, named in parts.tags if tag in ("svg", "img")]
    assert len(drawings) == len(parts.captions)
    assert all(named.get("aria-label") or named.get("alt") for named in drawings)


def test_tables_name_their_rows_and_columns(parts):
    assert parts.table_captions == parts.count("table") > 15
    assert all(named.get("scope") in ("col", "row") for tag, named in parts.tags if tag == "th")


def test_no_number_that_does_not_exist_is_printed(parts):
    assert not re.search(r"\b(nan|None|inf)\b", parts.text)


def test_the_same_figures_and_tables_lie_beside_the_page(run, parts):
    names = {named["id"].removeprefix("figure-") for tag, named in parts.tags if tag == "figure"}
    stored = {path.name for path in (run / "report" / "figures").iterdir()}
    assert stored == {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    tables = {path.stem for path in (run / "report" / "tables").glob("*.csv")}
    assert {"metrics", "screening", "comparisons", "conformal", "subgroups", "table1", "classes"} <= tables
    assert len(pd.read_csv(run / "report" / "tables" / "metrics.csv")) > 0


def test_numbers_of_the_page_are_those_of_the_tables(run, parts):
    metrics = pd.read_csv(run / "report" / "tables" / "metrics.csv")
    row = metrics[(metrics["model"] == "xattn") & (metrics["metric"] == "r2")].iloc[0]
    shown = f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]".replace("-", "−")
    assert shown in parts.text


def test_a_simulated_run_says_so_first_and_is_not_optimistic(parts):
    assert parts.text.index("SIMULATED") < parts.text.index("Key result")
    assert "OPTIMISTIC" not in parts.text


def test_writing_again_gives_the_same_bytes_and_a_failure_leaves_the_old_report_whole(tmp_path, undrawn, monkeypatch):
    folder = made_up_run(tmp_path / "RUN", models=("concat",), patients=12)

    def files():
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    page = write_report(folder, replicates=10)
    first = files()
    (folder / "report" / "tables" / "stale.csv").write_text("old")
    write_report(folder, replicates=10)
    assert files() == first
    assert not list(folder.glob(".*"))

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "_save_tables", fail)
    with pytest.raises(KeyboardInterrupt):
        write_report(folder, replicates=11)
    assert files() == first
    assert page.is_file() and not list(folder.glob(".*"))


def test_what_a_user_writes_is_escaped(tmp_path, undrawn):
    table = made_up_table(models=(HOSTILE, "concat"), patients=24)
    table["site"] = "</style><script>alert(1)</script>"
    table["radiograph_id"] += "<i>"
    parts = report_of(table, tmp_path)
    assert parts.count("script") == 0 and parts.count("b") == 0 and parts.count("i") == 0
    assert HOSTILE in parts.text


def test_a_hostile_name_is_escaped_in_drawings_too(tmp_path):
    assert 'aria-label="&lt;b&gt;' in write.labelled('<svg role="img" x="1"/>', "<b>")


def test_a_bare_table_needs_no_more_than_its_columns(tmp_path, undrawn):
    parts = report_of(made_up_table(), tmp_path)
    assert set(parts.sections) == EXPECTED
    assert "does not say whether the radiographs are simulated" in parts.text
    assert all("not stated whether simulated" in caption for caption in parts.captions)
    assert "No clinical record came with the predictions" in parts.text
    assert (tmp_path / "table-report" / "report.html").is_file()


def test_further_columns_of_a_bare_table_are_its_record(tmp_path, undrawn):
    table = made_up_table(models=("concat",))
    parts = report_of(table.merge(made_up_record(table)[["radiograph_id", "sex", "age"]]), tmp_path)
    assert "female (n = " in parts.text and "No clinical record" not in parts.text


def test_a_record_may_lie_beside_and_lack_radiographs(tmp_path, undrawn):
    table = made_up_table(models=("concat",))
    made_up_record(table).iloc[2:].drop(columns="patient_id").to_csv(tmp_path / "record.csv", index=False)
    parts = report_of(table, tmp_path, record=tmp_path / "record.csv", out=tmp_path / "DIR")
    assert "2 scored radiographs have no row in the clinical record and belong to no group: r0, r1." in parts.text
    assert (tmp_path / "DIR" / "report" / "tables" / "subgroups.csv").is_file()


@pytest.mark.parametrize(
    "shape",
    [
        {"models": ("only",)},
        {"patients": 3, "folds": 3},
        {"patients": 1, "folds": 1, "models": ("only",)},
        {"patients": 20, "per_patient": 2, "repeats": 2, "models": ("xattn", "concat")},
    ],
    ids=["one model", "three radiographs", "one radiograph", "repeats"],
)
def test_unusual_tables_have_a_whole_report(shape, tmp_path, undrawn):
    parts = report_of(made_up_table(**shape), tmp_path)
    assert set(parts.sections) == EXPECTED
    assert not re.search(r"\b(nan|None|inf)\b", parts.text)


def test_a_single_fold_says_what_cannot_be_fitted(tmp_path, undrawn):
    parts = report_of(made_up_table(folds=1), tmp_path)
    assert set(parts.sections) == EXPECTED
    assert not re.search(r"\b(nan|None|inf)\b", parts.text)
    assert parts.text.count("needs something fitted on radiographs that are not scored") == 3


def test_protocol_paper_is_called_optimistic(tmp_path, undrawn):
    folder = made_up_run(tmp_path / "RUN", protocol="paper", simulated=False, models=("concat",))
    parts = PageParts(write_report(folder, replicates=10).read_text())
    assert parts.text.index("OPTIMISTIC") < parts.text.index("Key result")
    assert "SIMULATED" not in parts.text
    assert not any("simulated" in caption for caption in parts.captions)


def test_attention_is_shown_where_it_is_stored(tmp_path, undrawn):
    folder = made_up_run(tmp_path / "RUN", models=("xattn",))
    rows = {"model": "xattn", "repeat": 0, "fold": [0, 1, 0, 1], "variable": ["age", "age", "sex", "sex"], "n": 9}
    pd.DataFrame(rows).assign(attention=[0.2, 0.4, 0.8, 0.6]).to_csv(folder / "attention.csv", index=False)
    parts = PageParts(write_report(folder, replicates=10).read_text())
    assert re.search(r"sex\s+70.0.%\s+14.1.%\s+age\s+30.0.%\s+14.1.%", parts.text)
    assert "all 2 variables would be 50.0" in parts.text
    assert "n = 18 scored radiographs" in parts.text
    pd.DataFrame(rows).to_csv(folder / "attention.csv", index=False)
    with pytest.raises(RunError, match=r"attention.csv has a column attention"):
        write_report(folder, replicates=10)


@pytest.mark.parametrize(
    ("damage", "options", "error", "words"),
    [
        (lambda t: t, {}, ConfigError, "lunar_femoral_neck_white_female"),
        (lambda t: t, {"reference": "moon"}, ConfigError, "'moon'"),
        (lambda t: t.drop(columns="target"), {"reference": LUNAR}, MetricError, "target"),
        (lambda t: t.iloc[1:], {"reference": LUNAR}, MetricError, "r0"),
        (lambda t: t, {"reference": LUNAR, "record": "absent.csv"}, MetricError, "absent.csv"),
    ],
    ids=["no reference", "unknown reference", "no target", "missing row", "no record"],
)
def test_refused_sources(damage, options, error, words, tmp_path):
    path = tmp_path / "table.csv"
    damage(made_up_table()).to_csv(path, index=False)
    with pytest.raises(error, match=re.escape(words)):
        write_report(path, **options)
    assert sorted(tmp_path.iterdir()) == [path]


def test_an_unfinished_run_is_refused(tmp_path):
    folder = made_up_run(tmp_path / "RUN")
    (folder / "predictions.csv").unlink()
    with pytest.raises(RunError, match=r"predictions\.csv"):
        write_report(folder)


def test_an_external_validation_shows_what_was_carried_over(tmp_path, undrawn):
    folder = made_up_run(tmp_path / "EXTERNAL", models=("xattn",), folds=1)
    facts = json.loads((folder / "cohort.json").read_text())
    (folder / "cohort.json").write_text(json.dumps(facts | {"validation": "external"}))
    values = {part: [0.5, 0.8] for part in ("internal", "external")} | {"change": [0.0, -0.1]}
    ends = {f"{part}_{end}": [0.1, math.nan] for part in values for end in ("low", "high")}
    rows = {"model": "xattn", "metric": ["r2", "auroc"], "threshold": [math.nan, -1.0], "average": ""}
    drop = pd.DataFrame(rows | values | ends | {"n_internal": 233, "n_external": 40})
    drop.to_csv(folder / "drop.csv", index=False)
    parts = PageParts(write_report(folder, replicates=10).read_text())
    assert re.search(r"R² 0.500 \[0.100, 0.100\] 0.500 \[0.100, 0.100\] 0.000", parts.text)
    assert re.search(r"AUROC T = −1 0.800 0.800 −0.100", parts.text)
    assert "n = 233 internal and 40 external radiographs" in parts.text
    assert "an external cohort of 40 radiographs" in parts.text
    assert "has no folds" in parts.text and "nothing was fitted here" in parts.text
    assert "patients needed" not in parts.text
    assert "nan" not in parts.text.lower().split()
