"""The whole explanation of a tiny run: tables, continuing, the page, the report, bad input."""

import shutil
from functools import partial

import numpy as np
import pytest
from PIL import Image

from tests.explanation.runs import write_masks
from tests.report.pages import leave_out_drawing
from xattn_bmd import Predictor, explain, heat_by_zone
from xattn_bmd.errors import CohortError, ConfigError, ModelError, RunError
from xattn_bmd.explanation import write
from xattn_bmd.explanation.body.points import placed_points
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.explanation.record.shapley import record_contributions
from xattn_bmd.explanation.result import Explanation
from xattn_bmd.explanation.write import spread_rows
from xattn_bmd.report.explanations import StoredExplanation
from xattn_bmd.report.material import Material
from xattn_bmd.report.sections.explanations import section
from xattn_bmd.report.source import open_source

FAST = {"steps": 2, "sheets": 1, "replicates": 40}


@pytest.fixture(scope="module")
def asked(explained_run):
    """Explains the tiny run into a folder."""
    run, cohort, masks = explained_run
    return partial(explain, run, cohort, masks=masks, cache=run.folder.parent / "cache", **FAST)


@pytest.fixture(scope="module")
def found(asked, tmp_path_factory):
    return asked(out=tmp_path_factory.mktemp("found") / "E", controls=("random_weights", "random_labels"))


@pytest.fixture
def unsaved(monkeypatch):
    """Leave out the drawings of further explanations: those of the first are looked at."""
    leave_out_drawing(monkeypatch, of=(write,))


def test_the_explained_estimates_are_the_out_of_fold_predictions(explained_run, found):
    run, cohort, _ = explained_run
    mine = run.predictions[run.predictions["model"] == "xattn"].set_index("radiograph_id")
    heat = found.heat
    assert tuple(heat["radiograph_id"]) == cohort.radiograph_ids
    np.testing.assert_allclose(heat["density"], mine.loc[heat["radiograph_id"], "prediction"], atol=1e-6)
    folds = mine.loc[heat["radiograph_id"], "fold"].astype(str)
    assert (heat["folds"] == "0/" + folds.to_numpy()).all()


def test_tables_hold_trained_and_controls_beside_chance(found):
    assert set(found.overlap["heat_of"]) == {"trained", "random_weights", "random_labels"}
    assert set(found.overlap["region"]) == {"bone", "background"}
    assert {"value", "low", "high", "chance", "n", "patients", "reason"} <= set(found.overlap)
    assert len(found.controls) == 2 * len(found.heat) and found.maps.shape == (26, 8, 8)
    shares = found.heat[["bone_share", "background_share"]].sum(axis=1)
    np.testing.assert_allclose(shares.dropna(), 1.0, atol=1e-6)
    assert set(found.curves["order"]) == {"heat", "random", "heat - random"}
    assert found.zones.groupby("group")["value"].sum().round(6).eq(1).all()
    assert found.attention_maps.shape == (26, 4, 2, 2, 2) and set(found.attention["variable"]) == {
        *("age", "weight", "sex", "smoking")
    }
    own = found.controls.groupby("heat_of")["bone_share"].apply(list)
    assert own["random_weights"] != own["random_labels"]


def test_heat_of_an_explanation_goes_by_zone_with_its_controls(explained_run, found):
    cohort = explained_run[1]
    corners = np.tile(np.array([[12.0, 12], [36, 12], [12, 36], [36, 36]]), (len(cohort), 1, 1))
    placed = placed_points(corners, cohort, image=Predictor.from_run(explained_run[0], "xattn").image)
    assert set(found.control_maps) == {"random_weights", "random_labels"}
    zoned = heat_by_zone(
        found.maps,
        points=placed.points,
        fields=placed.fields,
        picture=(64, 64),
        classes=cohort.table["sex"].tolist(),
        patients=found.heat["patient_id"].tolist(),
        controls=found.control_maps,
        sign="absolute",
        simulated=found.simulated,
        replicates=50,
    )
    table = zoned.table()
    assert set(table["heat_of"]) == {"trained", "random_weights", "random_labels", "permuted_labels"}
    own = table.set_index(["heat_of", "class", "zone"])["value"]
    assert own["trained"].notna().all() and not np.allclose(own["trained"], own["random_weights"])


def test_a_page_shows_estimate_interval_and_caveats(found):
    (page,) = (found.folder / "sheets").glob("*.html")
    text = page.read_text()
    assert "RESEARCH ONLY" in text and "90 % interval" in text and "T-score" in text and page.stem in text
    assert text.count("<svg") == 2 and "http" not in text.replace("http://www.w3.org", "")


def test_figures_lie_beside_the_tables(found):
    names = {path.stem for path in (found.folder / "figures").glob("*.png")}
    assert names == {"heat", "region_heat", "zone_profile", "perturbation", "attention"} == set(found.figures())


def test_a_killed_explanation_continues_to_the_same_end(asked, found, tmp_path, unsaved):
    class Killed(Exception):
        pass

    def stop(done, total):
        raise Killed

    again = partial(asked, out=tmp_path / "E", controls=("random_weights", "random_labels"))
    with pytest.raises(Killed):
        again(progress=stop)
    (block,) = (tmp_path / "E.partial").glob("block_*.npz")
    before = block.stat().st_mtime_ns
    assert not (tmp_path / "E").exists()
    with pytest.raises(RunError, match=r"continued only with the same model, cohort and settings"):
        asked(out=tmp_path / "E", controls=())
    (tmp_path / "E.partial" / "block_00001.npz").write_bytes(block.read_bytes()[:200])  # damaged: made again
    seen = []
    again(progress=lambda done, total: seen.append(block.stat().st_mtime_ns))
    assert set(seen) == {before} and not (tmp_path / "E.partial").exists()
    for name in ("heat.csv", "overlap.csv", "curves.csv", "heat.npy", "explanation.json"):
        assert (tmp_path / "E" / name).read_bytes() == (found.folder / name).read_bytes(), name
    with pytest.raises(RunError, match=r"written to a new folder, but .* exists"):
        again()


def test_the_report_of_a_run_shows_its_explanations(explained_run, found, tmp_path):
    run, _, _ = explained_run
    for name in ("predictions.csv", "config.yaml", "cohort.json", "fold_plan.json"):
        shutil.copyfile(run.folder / name, tmp_path / name)
    material = Material(source=open_source(tmp_path), evidence=None)  # the section reads stored tables alone
    assert "This source holds no explanations" in section(material).blocks[0].text
    shutil.copytree(found.folder, tmp_path / "explanations" / "first")
    (part,) = section(material).parts
    how, regions, areas, gallery = part.blocks
    assert part.title == "xattn, hirescam" and "did not train on its patient" in how.text
    assert {row[1].text for row in regions.rows} == {"trained", "random weights", "head on dealt labels"}
    first = found.overlap.query("measure == 'share_over_chance'").iloc[0]
    assert regions.rows[0][2].text == f"{first['value']:.3f}" and len(areas.rows) == 6
    assert len(gallery.pictures) == 5 and all("n = 26 radiographs" in one.caption for one in gallery.pictures)


def test_a_single_patient_has_values_without_intervals(explained_run, tmp_path, unsaved):
    run, cohort, masks = explained_run
    one = cohort.subset(["hip_003"])
    found = explain(run, one, out=tmp_path / "E", masks=masks, cache=run.folder.parent / "cache", **FAST)
    assert found.overlap["low"].isna().all() and found.overlap["reason"].str.contains("single patient").all()
    assert found.overlap["n"].isin([0, 1]).all() and found.heat["bone_share"].notna().all()


def test_without_masks_nothing_is_judged_by_region(asked, tmp_path, unsaved):
    found = asked(out=tmp_path / "E", masks=None, controls=(), model="image_only")
    assert found.overlap.empty and found.zones.empty and found.attention.empty and len(found.heat) == 26
    assert found.attention_maps is None and set(found.figures()) == {"heat", "perturbation"}


def test_what_a_model_cannot_give_is_one_clear_error_and_nothing_is_written(asked, explained_run, tmp_path):
    run, cohort, _ = explained_run
    refused = partial(asked, out=tmp_path / "E")
    with pytest.raises(ModelError, match=r"no such attention; choose method hirescam"):
        refused(model="image_only", method="attention")
    with pytest.raises(ModelError, match=r"looks at radiographs, but 'ridge' reads the record alone"):
        refused(model="ridge")
    with pytest.raises(ModelError, match=r"has the head 'point'"):
        refused(target="low_density")
    with pytest.raises(ModelError, match=r"A heat method is one of"):
        refused(method="grad")
    with pytest.raises(ConfigError, match=r"A control is one of .* but 'shuffled' was given"):
        refused(controls=("shuffled",))
    with pytest.raises(ConfigError, match=r"steps=-1"):
        refused(steps=-1)
    with pytest.raises(RunError, match=r"box of a region that has masks \(bone\), but 'neck'"):
        refused(box="neck")
    with pytest.raises(CohortError, match=r"under its own id, but hip_000"):
        refused(masks=write_masks(tmp_path / "other", ["someone"]))
    with pytest.raises(RunError, match=r"they are of 'xattn' and heat of 'image_only'"):
        some = cohort.subset(cohort.radiograph_ids[:3])
        cache = run.folder.parent / "cache"
        others = record_contributions(Explained.open(run), some, background=cohort, people=4, cache=cache)
        refused(model="image_only", contributions=others)
    alone = Predictor.from_run(run, "xattn").save(tmp_path / "saved")
    strangers = cohort.table.assign(patient_id=[f"far_{row}" for row in range(len(cohort))])
    far = type(cohort)(table=strangers, roles=cohort.roles, images=cohort.images)
    with pytest.raises(RunError, match=r"random_labels refits heads on the training parts, but this predictor lies"):
        explain(alone, far, out=tmp_path / "E", controls=("random_labels",), cache=run.folder.parent / "cache")
    assert not list(tmp_path.glob("E*"))


def test_a_mask_of_another_size_is_refused(asked, explained_run, tmp_path):
    _, cohort, _ = explained_run
    folder = write_masks(tmp_path / "masks", cohort.radiograph_ids)
    Image.fromarray(np.ones((7, 9), np.uint8)).save(folder / "bone" / "hip_004.png")
    with pytest.raises(CohortError, match=r"bone of hip_004 has 7 x 9 pixels and the radiograph 48 x 48"):
        asked(out=tmp_path / "E", masks=folder, controls=())
    assert not (tmp_path / "E").exists()


def test_damaged_folders_are_refused(tmp_path, found):
    with pytest.raises(RunError, match=r"holds explanation.json, but"):
        Explanation.load(tmp_path)
    (tmp_path / "explanation.json").write_text("{")
    with pytest.raises(RunError, match=r"is JSON, but it is damaged"):
        StoredExplanation.open(tmp_path)
    (tmp_path / "explanation.json").write_text((found.folder / "explanation.json").read_text())
    with pytest.raises(RunError, match=r"holds examples.npz"):
        StoredExplanation.open(tmp_path).examples()


def test_example_rows_are_spread_over_the_densities_however_few_there_are():
    assert spread_rows(np.array([3.0, 1.0, 2.0]), count=9).tolist() == [0, 1, 2]
    assert spread_rows(np.array([0.9, 0.5, 0.7, 0.6, 0.8]), count=3).tolist() == [0, 1, 2]
