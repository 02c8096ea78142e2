import shutil

from tests.report.pages import LUNAR, made_up_run
from xattn_bmd.report.material import Material
from xattn_bmd.report.model_words import MODEL_WORDS, OWN_WORDS, model_words
from xattn_bmd.report.source import open_source
from xattn_bmd.training.registry import model_names


def test_every_model_of_the_registry_has_its_words_and_no_other_has():
    assert set(MODEL_WORDS) == set(model_names())


def test_a_run_says_what_its_models_are_and_a_bare_table_does_not(tmp_path):
    run = made_up_run(tmp_path / "RUN", models=("xattn", "gated", "of_my_own", "my.Own"))
    [terms] = model_words(Material(source=open_source(run), evidence=None))
    assert terms.items == (("xattn", MODEL_WORDS["xattn"]), ("gated", MODEL_WORDS["gated"]), ("my.Own", OWN_WORDS))
    table = shutil.copy(run / "predictions.csv", tmp_path / "table.csv")
    assert model_words(Material(source=open_source(table, reference=LUNAR), evidence=None)) == ()
