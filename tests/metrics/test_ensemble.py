import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mode
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import LabelEncoder

from tests.metrics.tables import made_up_classes
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.class_predictions import validate_class_predictions
from xattn_bmd.metrics.ensemble import hard_vote, soft_vote
from xattn_bmd.metrics.tables.class_metrics import class_metrics_table

CLASSES = ["normal", "old", "fresh"]
COLUMNS = [f"probability_{name}" for name in CLASSES]
TABLE = made_up_classes(patients=20, repeats=2)
MODELS = list(dict.fromkeys(TABLE["model"]))


def votes(*members, classes=("old", "fresh")):
    """Return one radiograph's table from the members' probabilities."""
    ids = {"radiograph_id": "v", "patient_id": "p", "repeat": 0, "fold": 0, "target": classes[0]}
    return pd.DataFrame(
        [
            ids | {"model": f"m{i}"} | {f"probability_{name}": p for name, p in zip(classes, member, strict=True)}
            for i, member in enumerate(members)
        ]
    )


class _Known(ClassifierMixin, BaseEstimator):
    """A classifier that gives the probabilities it was made of."""

    def __init__(self, table=None):
        self.table = table

    def predict_proba(self, rows):
        return self.table[rows[:, 0]]

    def predict(self, rows):
        return self.predict_proba(rows).argmax(axis=1)


@pytest.mark.parametrize(("voting", "vote"), [("soft", soft_vote), ("hard", hard_vote)])
def test_scikit_learn_agrees_where_no_vote_is_tied(voting, vote):
    found = vote(TABLE)
    members = [TABLE.loc[TABLE["model"] == model, COLUMNS].to_numpy() for model in MODELS]
    judge = VotingClassifier([(name, _Known()) for name in MODELS], voting=voting)
    judge.estimators_ = [_Known(member) for member in members]
    judge.le_ = LabelEncoder().fit([0, 1, 2])
    judge.classes_ = judge.le_.classes_
    rows = np.arange(len(members[0]))[:, None]
    expected = np.array(CLASSES)[judge.predict(rows)]
    most = mode(np.stack([member.argmax(axis=1) for member in members]), axis=0).count
    clear = most > 1 if voting == "hard" else most > 0
    assert clear.mean() > 0.7
    assert found["prediction"].to_numpy()[clear].tolist() == expected[clear].tolist()
    if voting == "soft":
        np.testing.assert_allclose(found[COLUMNS], judge.predict_proba(rows))


def test_rows_are_a_table_of_class_predictions_that_joins_its_members():
    for vote, name in ((soft_vote, "soft_vote"), (hard_vote, "hard_vote")):
        found = vote(TABLE)
        joined = pd.concat([TABLE, found], ignore_index=True)
        assert validate_class_predictions(joined)["model"].tolist() == [*TABLE["model"], *[name] * len(found)]
        assert list(found.columns) == list(TABLE.columns) and len(found) == 60 * 2
        first = TABLE[TABLE["model"] == MODELS[0]].reset_index(drop=True)
        kept = ["radiograph_id", "patient_id", "repeat", "fold", "target"]
        pd.testing.assert_frame_equal(found[kept], first[kept])
    joined = pd.concat([TABLE, soft_vote(TABLE)], ignore_index=True)
    table = class_metrics_table(joined, replicates=10).set_index(["model", "class", "metric"])["value"]
    areas = []
    for _, rows in TABLE.groupby("repeat"):
        mean = rows.groupby("radiograph_id")[COLUMNS].mean()
        truth = rows.drop_duplicates("radiograph_id").set_index("radiograph_id")["target"].loc[mean.index]
        areas.append(roc_auc_score(pd.Categorical(truth, CLASSES).codes, mean, multi_class="ovr"))
    assert table["soft_vote", "macro", "auroc"] == pytest.approx(np.mean(areas))


def test_a_tie_of_votes_goes_to_the_higher_mean_then_to_the_first_class():
    split = votes((0.6, 0.4), (0.1, 0.9))
    assert hard_vote(split)["prediction"].item() == "fresh"
    assert hard_vote(split)[["probability_old", "probability_fresh"]].iloc[0].tolist() == [0.5, 0.5]
    # The mean is highest for a class without a vote: it does not win.
    third = votes((0.51, 0.0, 0.49), (0.0, 0.52, 0.48), classes=("old", "fresh", "normal"))
    assert hard_vote(third)["prediction"].item() == "fresh" and soft_vote(third)["prediction"].item() == "normal"
    even = votes((0.7, 0.3), (0.3, 0.7))
    for vote in (hard_vote, soft_vote):
        assert vote(even)["prediction"].item() == "old"
        assert vote(even, classes=("fresh", "old"))["prediction"].item() == "fresh"


def test_means_that_differ_by_rounding_alone_are_tied():
    members = [(0.1, 0.8, 0.1), (0.4, 0.4, 0.2), (0.8, 0.1, 0.1)]
    table = votes(*members, classes=("old", "fresh", "normal"))
    assert soft_vote(table)["probability_fresh"].item() > soft_vote(table)["probability_old"].item()
    for vote in (soft_vote, hard_vote):
        assert vote(table)["prediction"].item() == "old"
        assert vote(votes(*members[::-1], classes=("old", "fresh", "normal")))["prediction"].item() == "old"


def test_a_member_votes_for_its_own_prediction():
    table = votes((0.6, 0.4), (0.6, 0.4), (0.6, 0.4)).assign(prediction=["fresh", "fresh", "old"])
    assert hard_vote(table)["prediction"].item() == "fresh" and soft_vote(table)["prediction"].item() == "old"
    assert hard_vote(table)["probability_fresh"].item() == pytest.approx(2 / 3)


def test_members_are_matched_by_id_and_repeat_not_by_row():
    parts = [rows.sample(frac=1.0, random_state=seed) for seed, (_, rows) in enumerate(TABLE.groupby("model"))]
    key = ["radiograph_id", "repeat"]
    for vote in (soft_vote, hard_vote):
        a, b = vote(TABLE).set_index(key).sort_index(), vote(pd.concat(parts)).set_index(key).sort_index()
        pd.testing.assert_frame_equal(a, b)


def test_chosen_members_only():
    two = TABLE[TABLE["model"] != "densenet"]
    pd.testing.assert_frame_equal(soft_vote(TABLE, members=["resnet", "resnext"], name="e"), soft_vote(two, name="e"))


@given(members=st.lists(st.lists(st.integers(1, 6), min_size=3, max_size=3), min_size=2, max_size=5), data=st.data())
@settings(deadline=None, max_examples=8)
def test_the_order_of_the_members_decides_nothing(members, data):
    shares = [tuple(np.array(member) / sum(member)) for member in members]
    shuffled = data.draw(st.permutations(shares))
    for vote in (soft_vote, hard_vote):
        a, b = (vote(votes(*order, classes=CLASSES)) for order in (shares, shuffled))
        assert a["prediction"].item() == b["prediction"].item()
        assert a[COLUMNS].iloc[0].tolist() == pytest.approx(b[COLUMNS].iloc[0].tolist())


@pytest.mark.parametrize("vote", [soft_vote, hard_vote])
def test_refused(vote):
    for models in (["resnet"], [], ["resnet", "vgg"], ["resnet", "resnet"]):
        with pytest.raises(MetricError, match="at least two different models of the table, which has resnet, densenet"):
            vote(TABLE, members=models)
    with pytest.raises(MetricError, match="the table has a model resnet; choose another name"):
        vote(TABLE, name="resnet")
    with pytest.raises(MetricError, match="lacks 1 of 60"):
        vote(TABLE[:-1])
