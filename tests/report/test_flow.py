import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from tests.report.figures.drawn import text, texts
from xattn_bmd.report.flow import FROM_PREDICTIONS, FlowStep, flow, flow_figure

TABLE = made_up_table(patients=20, per_patient=2, repeats=2)
WHOLE = {"rows": 45, "images_without_row": 7, "radiographs": 42, "patients": 21}


def test_counts_and_losses_of_a_run():
    folder, row, usable, analysed = flow(WHOLE, TABLE)
    assert (folder.radiographs, folder.patients, folder.note) == (52, None, "")
    assert (row.radiographs, row.patients, row.note) == (45, None, "7 without a row in the table")
    assert (usable.radiographs, usable.patients, usable.note) == (42, 21, "3 without density or picture")
    assert (analysed.radiographs, analysed.patients, analysed.note) == (40, 20, "2 without predictions")


def test_models_and_repeats_do_not_multiply_radiographs():
    assert flow({}, TABLE)[-1].radiographs == flow({}, TABLE.iloc[:40])[-1].radiographs == 40


def test_nothing_lost_is_no_note():
    steps = flow({"rows": 40, "images_without_row": 0, "radiographs": 40, "patients": 20}, TABLE)
    assert [step.note for step in steps] == [""] * 4
    assert [step.radiographs for step in steps] == [40] * 4
    assert steps[1].patients == 20


def test_a_predictions_table_alone_knows_only_the_last_step():
    *before, last = flow({}, TABLE)
    assert [(step.radiographs, step.patients) for step in before] == [(None, None)] * 3
    assert (last.radiographs, last.patients, last.note) == (40, 20, FROM_PREDICTIONS)


@pytest.mark.parametrize("images_without_row", [None, "7", 7.5, True])
def test_what_a_run_does_not_know_is_not_recorded(images_without_row):
    steps = flow(WHOLE | {"images_without_row": images_without_row}, TABLE)
    assert steps[0].radiographs is None
    assert steps[1].radiographs == 45 and steps[1].note == ""


def test_an_older_run_has_radiographs_and_patients_only():
    folder, row, usable, analysed = flow({"radiographs": 40, "patients": 20}, TABLE)
    assert folder.radiographs is None and row.radiographs is None
    assert (usable.radiographs, usable.patients) == (40, 20)
    assert analysed.note == ""


def test_records_that_contradict_each_other_are_not_hidden():
    assert "do not belong together" in flow(WHOLE | {"radiographs": 30}, TABLE)[-1].note


def test_figure_has_a_box_for_each_step_and_a_note_for_each_loss():
    shown = texts(flow_figure(flow(WHOLE, TABLE)))
    assert "With density and picture 42 radiographs, 21 patients" in shown
    assert "7 without a row in the table" in shown
    assert "Analysed 40 radiographs, 20 patients" in shown
    bare = text(flow_figure(flow({}, TABLE)))
    assert bare.count("not recorded") == 4, "three boxes and the note"


def test_figure_of_other_steps():
    assert "Kept 1,234 radiographs" in texts(flow_figure([FlowStep("Kept", 1234, None, "")]))
    assert not flow_figure([]).axes


def test_an_empty_predictions_table_has_nobody():
    empty = pd.DataFrame(columns=["radiograph_id", "patient_id"])
    assert flow({}, empty)[-1][1:3] == (0, 0)
