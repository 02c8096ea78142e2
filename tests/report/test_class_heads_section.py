"""The part of a report on class heads: the numbers of its table, and its place among the classes."""

from types import SimpleNamespace

import pandas as pd

from xattn_bmd import class_heads_table, get_reference
from xattn_bmd.report.numbers import MINUS, estimate
from xattn_bmd.report.sections.class_heads import part
from xattn_bmd.report.source import open_source

REFERENCE = get_reference("qct_lumbar_spine")
SHARED = {"radiograph_id": list("abcd"), "patient_id": list("pqrs"), "site": "", "model": "cnn", "repeat": 0}
DENSITY = pd.DataFrame(
    SHARED
    | {"fold": [0, 1, 1, 0], "target": [150.0, 100.0, 60.0, 130.0], "prediction": [140.0, 125.0, 70.0, 122.0]}
    | {"unit": "mg/cm3"}
)
SAID = pd.DataFrame(
    SHARED
    | {"fold": [0, 1, 1, 0], "target": ["normal", "low", "osteoporosis", "normal"]}
    | {"probability_normal": [0.7, 0.3, 0.1, 0.2], "probability_low": [0.2, 0.4, 0.2, 0.7]}
    | {"probability_osteoporosis": [0.1, 0.3, 0.7, 0.1]}
)


def test_every_cell_is_a_value_of_the_table():
    table = class_heads_table(DENSITY, SAID, REFERENCE, replicates=100)
    material = SimpleNamespace(caption=lambda text: text, fitted="without the scored fold")
    (grid,) = part(material, table).blocks
    assert [row[0].detail for row in grid.rows] == ["density", "class head", f"class head {MINUS} density"]
    keys = [
        ("all", "accuracy"),
        *(("macro", name) for name in ("sensitivity", "specificity", "precision", "f1", "auroc")),
    ]
    for row, source in zip(grid.rows, ("density", "class head", "class head - density"), strict=True):
        own = table[table["classes_from"] == source].set_index(["class", "metric"])
        assert list(row[1:]) == [estimate(own.loc[key]) for key in keys]
    assert grid.rows[0][1].text == "0.750" and "without the scored fold" in grid.notes[0]


def test_a_run_folder_gives_its_table_and_another_none(tmp_path):
    DENSITY.to_csv(tmp_path / "predictions.csv", index=False)
    assert open_source(tmp_path, reference=REFERENCE.name).class_heads is None
    class_heads_table(DENSITY, SAID, REFERENCE, replicates=100).to_csv(tmp_path / "class_heads.csv", index=False)
    found = open_source(tmp_path, reference=REFERENCE.name).class_heads
    assert found is not None and set(found["classes_from"]) == {"density", "class head", "class head - density"}
