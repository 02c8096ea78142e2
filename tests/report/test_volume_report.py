"""The report of densities of QCT: the whole page in mg/cm³ with its own cut-offs, and not a word of DXA's."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix, recall_score, roc_auc_score

from tests.metrics.tables import made_up_table
from tests.report.pages import PageParts, made_up_record
from xattn_bmd.bone.density_classes import CLASS_NAMES
from xattn_bmd.bone.qct import qct_class
from xattn_bmd.bone.reference import QCT_SPINE
from xattn_bmd.config import CompareConfig, to_dict
from xattn_bmd.metrics.tables.class_heads import class_heads_table
from xattn_bmd.report import write
from xattn_bmd.report.source import open_source
from xattn_bmd.report.write import write_report

OF_DXA = re.compile(r"g/cm²|g/cm2|\bT [=<≤>]|osteopenia|\bhips?\b|radiograph(?!_id)|NHANES|reference population", re.I)
LABELLED = "T-scores, WHO classes and FRAX are defined for DXA and are not given."


def as_qct(table):
    """Return a table of areal densities as one of QCT: 0.88 g/cm² becomes 110 mg/cm³."""
    scaled = {name: 110 + 250 * (table[name] - 0.88) for name in ("target", "prediction")}
    return table.assign(**scaled, unit="mg/cm3", site=np.where(table["radiograph_id"].str[-1] < "5", "north", "south"))


def said(table):
    """Return what a class head might say: the class of the predicted density, fairly surely."""
    called = qct_class(table["prediction"])
    shares = {f"probability_{name}": np.where(called == name, 0.8, 0.1) for name in CLASS_NAMES["mg/cm3"]}
    kept = table[["radiograph_id", "patient_id", "site", "model", "repeat", "fold"]]
    return kept.assign(target=qct_class(table["target"]), **shares)


def qct_run(folder, *, slices=16, **shape):
    """Write the files that a report reads from a run of CT volumes."""
    folder.mkdir(parents=True)
    table = as_qct(made_up_table(**shape))
    table.to_csv(folder / "predictions.csv", index=False)
    made_up_record(table).to_csv(folder / "record.csv", index=False)
    own = table[table["model"] == table["model"].iloc[0]]
    class_heads_table(own, said(own), QCT_SPINE, replicates=25).to_csv(folder / "class_heads.csv", index=False)
    roles = {"target": {"column": "qct", "unit": "mg/cm3"}, "numeric": {"age": {"unit": "years"}, "bmi": None}}
    cohort = {"radiographs": 40, "simulated": True, "roles": roles | {"categorical": {"sex": ["female", "male"]}}}
    settings = to_dict(CompareConfig.from_preset("ct_quick"))
    settings |= {"reference": QCT_SPINE.name, "image": settings["image"] | {"slices": slices}}
    (folder / "cohort.json").write_text(json.dumps(cohort))
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A reported run, and every text of its figures, which are left undrawn."""
    folder, texts = qct_run(tmp_path_factory.mktemp("qct") / "RUN", models=("xattn", "concat")), {}

    def save(figure, stem):
        texts[stem.name] = [each.get_text() for each in figure.findobj(Text)]
        stem.parent.mkdir(parents=True, exist_ok=True)
        stem.with_name(f"{stem.name}.svg").write_text('<svg role="img"></svg>')
        stem.with_name(f"{stem.name}.png").write_bytes(b"x" * 100)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "save_figure", save)
        write_report(folder, replicates=25)
    return folder, PageParts((folder / "report.html").read_text()), texts


def table_of(folder, name):
    return pd.read_csv(folder / "report" / "tables" / f"{name}.csv")


def test_the_page_has_no_word_of_dxa_but_the_one_that_says_so(made):
    _, parts, _ = made
    text = parts.text
    assert text.count(LABELLED) == 1
    rest = text.replace(LABELLED, "")
    assert OF_DXA.findall(rest) == [] and "T-score" not in rest and "WHO" not in rest and "DXA" not in rest
    assert "mg/cm³" in text and "CT volumes" in text and text.index("SIMULATED CT volumes") < text.index("Key result")
    assert "n = 40 CT volumes of 40 patients" in parts.captions[0]
    assert not re.search(r"\b(nan|None|inf)\b", text)


def test_the_class_head_stands_beside_the_density(made):
    folder, parts, _ = made
    assert parts.ids.index("class-heads") > parts.ids.index("reclassification")
    table = pd.read_csv(folder / "class_heads.csv").set_index(["classes_from", "class", "metric"])["value"]
    shown = [f"{table[key, 'macro', 'f1']:.3f}" for key in ("density", "class head")]
    assert shown[0] == shown[1] and parts.text.count(shown[0]) >= 2


def test_every_section_is_there_and_screening_is_at_the_cut_offs(made):
    _, parts, _ = made
    wanted = {"cohort", "flow", "models", "differences", "agreement", "bland-altman", "calibration", "screening-120"}
    wanted |= {"screening-80", "classes", "reclassification", "triage", "decision-curve", "uncertainty", "subgroups"}
    wanted |= {"folds", "configuration", "methods", "tripod-ai", "claim", "external"}
    assert wanted <= set(parts.sections) and "screening-tm1" not in parts.ids
    assert "table-transferred-120" not in parts.ids  # no prevalence of low QCT density is known
    assert "Positive class: low density: ≤ 120 mg/cm³" in parts.text
    assert "Positive class: low density: < 80 mg/cm³" in parts.text
    assert "Finding low density at 80 mg/cm³" in parts.text


def test_figures_speak_of_mg_and_of_ct_volumes(made):
    _, _, texts = made
    assert len(texts) > 20
    assert [(name, text) for name, each in texts.items() for text in each if OF_DXA.search(text)] == []
    assert not [name for name, each in texts.items() for text in each if "T-score" in text or "SD of young" in text]
    joined = {name: " ".join(each) for name, each in texts.items()}
    for name in ("scatter-0", "bland-altman-0", "calibration-curve", "fold-plan", "coverage", "models-mae"):
        assert "mg/cm³" in joined[name], name
    assert "120 and 80 mg/cm³" in joined["scatter-0"] and "low density at 120 mg/cm³" in joined["roc-120"]
    assert "40 CT volumes, 40 patients" in joined["scatter-0"]
    assert {"normal", "low", "osteoporosis"} <= set(texts["confusion-0"])


def test_numbers_are_those_of_the_predictions_with_the_digits_of_the_unit(made):
    folder, parts, _ = made
    own = pd.read_csv(folder / "predictions.csv").query("model == 'xattn'")
    row = table_of(folder, "metrics").query("model == 'xattn' and metric == 'mae'").iloc[0]
    assert row["value"] == pytest.approx((own["target"] - own["prediction"]).abs().mean())
    assert f"{row['value']:.1f} [{row['low']:.1f}, {row['high']:.1f}]" in parts.text
    assert f"{own['target'].mean():.1f} ± {own['target'].std():.1f} mg/cm³ (mean ± SD)" in parts.text
    screening = table_of(folder, "screening").fillna({"average": ""})
    screening = screening.query("model == 'xattn' and average in ('positive', '')")
    for threshold, low in ((-1.0, lambda density: density <= 120), (-2.5, lambda density: density < 80)):
        truth, called = low(own["target"]), low(own["prediction"])
        found = screening[screening["threshold"] == threshold].drop_duplicates("metric").set_index("metric")
        assert found.at["auroc", "value"] == pytest.approx(roc_auc_score(truth, -own["prediction"]))
        assert found.at["sensitivity", "value"] == pytest.approx(recall_score(truth, called))
        assert found.at["specificity", "value"] == pytest.approx(recall_score(~truth, ~called))
        area = found.loc["auroc"]
        assert f"{area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]" in parts.text


def test_classes_are_those_of_qct(made):
    folder, parts, _ = made
    names = ["normal", "low", "osteoporosis"]
    own = pd.read_csv(folder / "predictions.csv").query("model == 'concat'")
    expected = confusion_matrix(qct_class(own["target"]), qct_class(own["prediction"]), labels=names)
    counts = table_of(folder, "confusion").query("model == 'concat'")
    assert set(counts["true_class"]) == set(names) == set(table_of(folder, "reclassification")["class_a"])
    found = counts.pivot(index="true_class", columns="predicted_class", values="count").loc[names, names]
    np.testing.assert_array_equal(found, expected)
    assert "QCT classes" in parts.text and "low (low bone mass): 80 to 120 mg/cm³" in parts.text


def test_methods_say_how_volumes_became_voxels(made):
    _, parts, _ = made
    assert "The middle 16 slices of 96 × 96 pixels of each CT volume, resampled to 3 mm between slices" in parts.text
    assert "−200 and 1000 HU are mapped to 0 and 1. The encoder tf_efficientnet_lite0 sees each slice by" in parts.text
    assert "120 mg/cm³ and below at the cut-off 120, below 80 mg/cm³ at the cut-off 80" in parts.text


def test_what_images_are_called_follows_from_what_the_source_says(tmp_path):
    flat = open_source(qct_run(tmp_path / "RUN", slices=1, models=("xattn",), patients=12))
    assert flat.words.images == "radiographs" and flat.words.label("mae") == "MAE, mg/cm³"
    table = tmp_path / "table.csv"
    as_qct(made_up_table(models=("xattn",), patients=12)).to_csv(table, index=False)
    assert open_source(table, reference=QCT_SPINE.name).words.counted(2, 1) == "2 images, 1 patient"


def test_an_evaluation_says_what_its_predictor_read(tmp_path, undrawn):
    folder = qct_run(tmp_path / "EXTERNAL", models=("xattn",), folds=1, patients=12)
    (folder / "config.yaml").unlink()
    facts = json.loads((folder / "cohort.json").read_text())
    facts["roles"]["reference"] = QCT_SPINE.name
    seen = {"slices": 16, "size": 96, "spacing_mm": [3.0, 1.0, 1.0], "hu_window": [-200.0, 1000.0]}
    predictors = [{"model": "ridge", "image": None}, {"model": "xattn", "image": seen}]
    (folder / "cohort.json").write_text(json.dumps(facts | {"validation": "external", "predictors": predictors}))
    ends = {
        f"{part}{end}": [14.25, 0.8] for part in ("internal", "external", "change") for end in ("", "_low", "_high")
    }
    rows = {"model": "xattn", "metric": ["mae", "auroc"], "threshold": [math.nan, -2.5], "average": ""}
    drop = pd.DataFrame(rows | ends | {"n_internal": 233, "n_external": 12})
    drop.to_csv(folder / "drop.csv", index=False)
    text = PageParts(write_report(folder, replicates=10).read_text()).text
    assert re.search(r"MAE, mg/cm³ 14.2 \[14.2, 14.2\]", text) and re.search(r"AUROC 80 mg/cm³ 0.800", text)
    assert "n = 233 internal and 12 external CT volumes" in text and "every CT volume is estimated by all" in text
    assert "The middle 16 slices" in text and "The encoder" not in text
