# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quickstart: from a folder of radiographs to a table with intervals
#
# The question of this library is short: does it help to look at the radiograph *and* the clinical record together,
# when bone mineral density is estimated? This page asks it once, on a small cohort, and ends with the estimate of
# people who are new to the model.
#
# **Simulated.** The radiographs here are computed by X-ray physics from real femur shapes. They show that the
# machinery works. No number on this page says anything about patients, and nothing here is for the care of anybody.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
from IPython.display import Image

from xattn_bmd import Cohort, CompareConfig, Predictor, compare, read_radiograph, simulate_cohort

# %% tags=["parameters"]
HIPS = 120  # radiographs
FOLDS = 4
EPOCHS = 25

# %% [markdown]
# ## A cohort
#
# `simulate_cohort` writes a folder as a hospital would hand it over: DICOM files, a table, and `cohort.yaml`, which
# says what each column is for. The same call finds a finished folder and returns at once, so all of these notebooks
# share it. `compare` below does the same: run the page again and nothing is trained twice. If you change a setting,
# give another `out`, or delete the folder `work`: a run folder belongs to one set of settings.

# %%
table = simulate_cohort("work/hips", n=HIPS, preset="screening", size=192)
cohort = Cohort.from_csv(table)
print(f"{len(cohort)} radiographs of {len(set(cohort.patient_ids))} patients; problems found: {cohort.check()}")
cohort.table.head(4)

# %% [markdown]
# Four of them, from the densest neck to the thinnest. The reader puts every file the same way up in grey: bone is
# bright, whatever the file says about polarity.

# %%
dense_to_thin = cohort.table.sort_values("fn_bmd", ascending=False)
chosen = dense_to_thin.iloc[[0, len(cohort) // 3, 2 * len(cohort) // 3, len(cohort) - 1]]
figure, axes = plt.subplots(1, 4, figsize=(9, 2.7))
for place, row in zip(axes, chosen.itertuples(), strict=True):
    place.imshow(read_radiograph(cohort.image_paths[row.radiograph_id]).pixels, cmap="gray")
    place.set_title(f"{row.fn_bmd:.2f} g/cm², {row.sex}", fontsize=9)
    place.axis("off")
figure.suptitle("simulated")
figure.tight_layout()

# %% [markdown]
# ## The comparison
#
# One call. All models are trained and scored on the same folds; a patient is never on two sides of a fold; early
# stopping and scaling see the training part only. `xattn` is bidirectional cross-attention, `concat` joins the two
# feature vectors, `ridge` is linear regression on the record alone. The preset `quick` keeps an ImageNet trunk
# frozen; here it trains for fewer epochs than its 80, so that the page is made in a minute. Records have gaps: with
# `variable_dropout` a tenth of the variables is withheld in training, so that the model can do without any of them
# later.

# %%
quick = CompareConfig.from_preset("quick")
config = replace(
    quick,
    folds=FOLDS,
    training=replace(quick.training, epochs=EPOCHS),
    model=replace(quick.model, variable_dropout=0.1),
)
run = compare(cohort, out="work/quickstart", models=["xattn", "concat", "ridge"], config=config, progress=False)

# %%
metrics = run.metrics()
pooled = metrics[metrics["method"].str.startswith("pooled") & metrics["metric"].isin(["mae", "rmse", "r2"])]
pooled[["model", "metric", "value", "low", "high"]].round(3)

# %% [markdown]
# `low` and `high` are the ends of a 95 % bootstrap interval over patients. Read those before the value: with so few
# hips the intervals of two models overlap widely. What can be said of two models is in their *paired* comparison, on
# the same radiographs:

# %%
difference = run.comparison("xattn", "concat").query("metric == 'mse'").iloc[0]
print(
    f"MSE of xattn against concat: {difference.relative:+.1%} "
    f"[{difference.relative_low:+.1%}, {difference.relative_high:+.1%}], p = {difference.p:.2f}"
)

# %% [markdown]
# An interval that holds zero says that this cohort cannot tell the two apart; it does not say that they are equal.
#
# ## The report
#
# `run.report()` writes one HTML page for a reviewer, with no script in it and nothing fetched. Its figures also lie
# beside it as PNG and SVG, its tables as CSV.

# %%
page = run.report()
print(page, f"{page.stat().st_size / 1e6:.1f} MB,", len(list((run.folder / "report/figures").glob("*.png"))), "figures")
Image(filename=str(run.folder / "report/figures/scatter-1.png"), width=420)

# %% [markdown]
# ## New people
#
# Each model of a run is a predictor: the mean of its fold models. An estimate comes with a T-score, an interval for
# the measured density, and the chance of low density. Another seed simulates other people; their measured densities
# are not read.

# %%
new = Cohort.from_csv(simulate_cohort("work/new", n=8, preset="screening", seed=1, size=192))
estimates = Predictor.from_run(run, "concat").predict(new)
estimates[["radiograph_id", "prediction", "low", "high", "t_score", "who_class", "probability_low"]].round(2)

# %% [markdown]
# ## Where to go from here
#
# - `02_own_data`: your own files and table.
# - `03_compare_fusions`: what it takes to claim that one fusion is better.
# - `04_screening_and_uncertainty`: T-scores, triage, intervals.
# - `08_external_validation`: another hospital.
#
# The same from the command line: `xattn-bmd simulate`, `xattn-bmd compare`, `xattn-bmd report`, `xattn-bmd predict`.
