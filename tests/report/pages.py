"""A report's page taken apart with the standard library, and made-up run folders."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import yaml

from tests.metrics.tables import made_up_table
from xattn_bmd.report import write
from xattn_bmd.report.figures.save import save_figure

LUNAR = "lunar_femoral_neck_white_female"


class PageParts(HTMLParser):
    """What the tests look at: ids, addresses, captions, headings and visible words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.addresses, self.words = [], [], [], []
        self.captions, self.sections, self.table_captions = [], [], 0
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.tags.append((tag, named))
        self.ids += [named["id"]] if "id" in named else []
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        self.sections += [named["id"]] if tag == "section" else []
        self.table_captions += tag == "caption"
        if tag == "figcaption":
            self.captions.append("")
        if tag not in ("meta", "link", "img", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open and self._open[-1] == tag, f"</{tag}> closes {self._open[-3:]}"
        self._open.pop()

    def handle_data(self, data):
        if "figcaption" in self._open:
            self.captions[-1] += data
        if "style" not in self._open and "svg" not in self._open:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def leave_out_drawing(patch, *, of=(write,), but=()):
    """Make reports with empty drawings: drawing takes most of their time, and other tests look at it.

    Args:
        patch: a ``pytest.MonkeyPatch``.
        of: modules that save figures.
        but: names of figures that are drawn all the same.
    """

    def save(figure, stem):
        if stem.name in but:
            return save_figure(figure, stem)
        stem.parent.mkdir(parents=True, exist_ok=True)
        stem.with_name(f"{stem.name}.svg").write_text('<svg role="img"></svg>')
        stem.with_name(f"{stem.name}.png").write_bytes(b"x" * 100)

    for module in of:
        patch.setattr(module, "save_figure", save)


def made_up_record(table, *, seed=0):
    rng = np.random.default_rng(seed)
    rows = table.drop_duplicates("radiograph_id")[["radiograph_id", "patient_id", "site"]].reset_index(drop=True)
    people = {name: i for i, name in enumerate(sorted(set(rows["patient_id"])))}
    owner = rows["patient_id"].map(people)
    n = len(people)
    return rows.assign(
        sex=np.where(rng.random(n) < 0.5, "female", "male")[owner],
        age=rng.normal(74, 6, n).round(1)[owner],
        bmi=rng.normal(27, 4, n).round(1)[owner],
    )


def made_up_run(folder, *, protocol="nested", simulated=True, **shape):
    """Write the files that a report reads from a run folder."""
    folder.mkdir(parents=True)
    table = made_up_table(**shape)
    table.to_csv(folder / "predictions.csv", index=False)
    made_up_record(table).to_csv(folder / "record.csv", index=False)
    roles = {
        "target": {"column": "fn_bmd", "unit": "g/cm2"},
        "reference": LUNAR,
        "numeric": {"age": {"unit": "years"}, "bmi": {"unit": "kg/m2"}},
        "categorical": {"sex": ["female", "male"]},
    }
    cohort = {"radiographs": table["radiograph_id"].nunique(), "simulated": simulated, "roles": roles}
    config = {"protocol": protocol, "reference": LUNAR, "seed": 0, "training": {"loss": "mse", "weighting": "none"}}
    plan = {"hash": "f00d", "made_by": "make_plan(folds=5)", "folds": 5, "repeats": 1}
    (folder / "cohort.json").write_text(json.dumps(cohort))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "fold_plan.json").write_text(json.dumps(plan))
    (folder / "environment.json").write_text(json.dumps({"python": "3.11", "packages": {"numpy": "2.0"}}))
    return folder
