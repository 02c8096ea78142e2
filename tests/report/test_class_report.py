"""The report of classes: a whole page of a planted run and of an evaluation, and nothing of a density."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.cohorts import CLASS_ROLES, CLASSES
from tests.report.pages import LUNAR, PageParts
from xattn_bmd.config import CompareConfig, to_dict
from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.metrics.tables.class_metrics import class_metrics_table
from xattn_bmd.report.classes.source import open_class_source
from xattn_bmd.report.write import write_report

DENSITY_WORDS = ("g/cm", "T-score", "density", "WHO", "Bland", "osteo", "triage", "conformal")
N = 60


def planted(folder, *, models=("image_only@resnet50", "ridge"), simulated=True):
    """Write a run folder of three classes of which the first model knows two well."""
    folder.mkdir()
    generator = np.random.default_rng(2)
    names = [f"v{row:02d}" for row in range(N)]
    people = [f"p{row // 2:02d}" for row in range(N)]
    truth, tables = generator.choice(3, size=N), []
    for skill, model in enumerate(models[::-1]):
        chances = generator.dirichlet(np.ones(3), size=N) + 0.4 * skill * np.eye(3)[truth]
        chances /= chances.sum(axis=1, keepdims=True)
        columns = {
            "radiograph_id": names,
            "patient_id": people,
            "site": "north",
            "model": model,
            "repeat": 0,
            "fold": np.arange(N) // 2 % 3,
            "target": np.array(CLASSES)[truth],
            "prediction": np.array(CLASSES)[chances.argmax(axis=1)],
        }
        tables.append(pd.DataFrame(columns | dict(zip(probability_columns(CLASSES), chances.T, strict=True))))
    pd.concat(tables[::-1]).to_csv(folder / "predictions.csv", index=False)
    record = pd.DataFrame({"radiograph_id": names, "patient_id": people, "site": "north", "side": ""})
    record = record.assign(age=generator.normal(70, 8, N).round(1), weight=70.0, sex="female", smoking="never")
    record.to_csv(folder / "record.csv", index=False)
    facts = {"rows": N, "images_without_row": 3, "radiographs": N, "patients": N // 2, "simulated": simulated}
    (folder / "cohort.json").write_text(json.dumps(facts | {"roles": CLASS_ROLES}))
    (folder / "config.yaml").write_text(yaml.safe_dump(to_dict(CompareConfig(models=models)) | {"reference": None}))
    (folder / "fold_plan.json").write_text(json.dumps({"hash": "f00d", "made_by": "hand", "folds": 3, "repeats": 1}))
    (folder / "environment.json").write_text(json.dumps({"image_encoder": "resnet50 with random first weights"}))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = planted(tmp_path_factory.mktemp("planted") / "RUN")
    write_report(folder, replicates=100)
    return folder


def test_a_planted_run_gives_a_whole_page(run):
    text = (run / "report.html").read_text()
    parts = PageParts(text)
    wanted = {"key-result", "cohort", "flow", "models", "differences", "folds", "settings", "methods"}
    assert wanted <= set(parts.ids) and "external" not in parts.ids
    assert text.count("<figure") == 3  # the flow, and a confusion matrix of each model
    assert "SIMULATED" in text and f"n = {N} radiographs of {N // 2} patients" in text
    for name in CLASSES:
        assert name in text


def test_numbers_of_the_page_are_those_of_the_table(run):
    predictions = pd.read_csv(run / "predictions.csv")
    table = class_metrics_table(predictions, classes=CLASSES, replicates=100)
    area = table.set_index(["model", "class", "metric"])["value"]["image_only@resnet50", "macro", "auroc"]
    assert f"image_only@resnet50: macro AUROC {area:.3f} [" in (run / "report.html").read_text()
    stored = pd.read_csv(run / "report" / "tables" / "metrics.csv")
    np.testing.assert_allclose(stored["value"], table["value"])
    confusion = pd.read_csv(run / "report" / "tables" / "confusion.csv")
    mine = predictions[predictions["model"] == "ridge"]
    expected = pd.crosstab(mine["target"], mine["prediction"])
    for row in confusion[confusion["model"] == "ridge"].to_dict("records"):
        assert row["count"] == expected.loc[row["true_class"], row["predicted_class"]]


def test_nothing_of_a_density_is_on_the_page(run):
    text = (run / "report.html").read_text()
    body = text[text.index("<body") :].replace("t_score_bands", "").replace("label_density", "")
    assert [word for word in DENSITY_WORDS if word in body] == []


def test_the_same_run_gives_the_same_bytes_from_its_table_too(run, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run, copy)
    again = write_report(copy / "predictions.csv", replicates=100)
    assert again == copy / "report.html" and again.read_bytes() == (run / "report.html").read_bytes()


def test_an_evaluation_sets_internal_beside_external(tmp_path):
    folder = planted(tmp_path / "OUT", models=("ridge",), simulated=False)
    ends = ("", "_low", "_high")
    row = {f"{side}{end}": 0.5 for side in ("internal", "external", "change") for end in ends}
    drop = pd.DataFrame(
        [row | {"model": "ridge", "metric": "auroc", "class": "macro", "n_internal": 99, "n_external": N}]
    )
    drop.to_csv(folder / "drop.csv", index=False)
    for name in ("config.yaml", "fold_plan.json"):
        (folder / name).unlink()
    text = write_report(folder, replicates=50).read_text()
    assert "n = 99 internal and 60 external radiographs" in text
    assert "folds" not in PageParts(text).ids and "there is nothing to compare" in text and "SIMULATED" not in text


def test_classes_of_volumes_are_called_so(tmp_path):
    folder = planted(tmp_path / "RUN", models=("ridge",))
    settings = to_dict(CompareConfig.from_preset("ct_quick")) | {"reference": None}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    source = open_class_source(folder, classes=CLASSES, record=None)
    assert source.counted == f"n = {N} CT volumes of {N // 2} patients"


def test_a_reference_and_an_unfinished_run_are_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="report is of classes"):
        write_report(run, reference=LUNAR, out=tmp_path / "OUT")
    half = tmp_path / "HALF"
    half.mkdir()
    shutil.copyfile(run / "cohort.json", half / "cohort.json")
    with pytest.raises(RunError, match=r"holds predictions.csv"):
        write_report(half)
