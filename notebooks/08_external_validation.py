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
# # External validation: the same model in another hospital
#
# Cross-validation answers how a model does on more people *from the same hospitals*. Another hospital has another
# machine, another way to position a hip, other patients. This page carries a finished model there, fits nothing, and
# reports what is lost.
#
# **Simulated.** Both hospitals are simulated, and the size of the loss here is that of the simulation. What carries
# over to real data is the way to look.

# %%
import shutil
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image

from xattn_bmd import (
    Cohort,
    CompareConfig,
    Predictor,
    XattnBmdError,
    compare,
    evaluate,
    read_radiograph,
    simulate_cohort,
)

# %% tags=["parameters"]
HIPS = 120  # radiographs of the development cohort
ELSEWHERE = 60  # radiographs of the other hospital
FOLDS = 4
EPOCHS = 25

# %% [markdown]
# ## Two cohorts
#
# The development cohort has two sites. Hospital C has an image processing and a population of its own, and took no
# part in the development. It is drawn with another seed: people of one seed have the same names everywhere.

# %%
here = Cohort.from_csv(simulate_cohort("work/hips", n=HIPS, preset="screening", size=192))
there = Cohort.from_csv(simulate_cohort("work/hospital_c", n=ELSEWHERE, preset="external_c", seed=3, size=192))

figure, axes = plt.subplots(1, 4, figsize=(7, 2.2))
for place, (cohort, row) in zip(axes, [(here, 0), (here, 1), (there, 0), (there, 1)], strict=True):
    name = cohort.radiograph_ids[row]
    place.imshow(read_radiograph(cohort.image_paths[name]).pixels, cmap="gray")
    place.set_title(f"{cohort.sites[row]}, {cohort.targets[row]:.2f} g/cm²", fontsize=8)
    place.axis("off")
figure.suptitle("simulated", fontsize=9)
figure.tight_layout()

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8))
for place, column, unit in ((axes[0], "fn_bmd", "density (g/cm²)"), (axes[1], "age_xray", "age (years)")):
    low = min(here.table[column].min(), there.table[column].min())
    high = max(here.table[column].max(), there.table[column].max())
    for cohort, name, color in ((here, "development", "#0072B2"), (there, "hospital C", "#D55E00")):
        bins = np.linspace(low, high, 16)
        place.hist(cohort.table[column], bins=bins, density=True, histtype="step", color=color, label=name)
    place.set(xlabel=unit, yticks=[])
axes[0].legend(frameon=False, fontsize=8)
figure.tight_layout()

# %% [markdown]
# ## Development
#
# A fusion, and a baseline that sees the record alone: what another machine does to the picture cannot hurt the
# baseline, so it tells the two kinds of loss apart. `variable_dropout` withholds a tenth of the variables in
# training: the other hospital's records have gaps of their own.

# %%
quick = CompareConfig.from_preset("quick")
config = replace(
    quick,
    folds=FOLDS,
    training=replace(quick.training, epochs=EPOCHS),
    model=replace(quick.model, variable_dropout=0.1),
)
run = compare(here, out="work/development", models=["concat", "image_only", "ridge"], config=config, progress=False)
predictors = [Predictor.from_run(run, model) for model in ("concat", "image_only", "ridge")]

# %% [markdown]
# A predictor is a folder of safetensors and JSON. `save` copies it without any id, prediction or measured density, so
# that it may leave the hospital; the other side needs nothing else.

# %%
if not (run.folder / "to_send").exists():
    predictors[0].save(run.folder / "to_send")
sent = Predictor.load(run.folder / "to_send")
print(f"{sent.model}: {len(sent.estimators)} fold models, reference {sent.reference}, simulated: {sent.simulated}")

# %% [markdown]
# ## People of the development cohort are refused
#
# An external validation with one development patient in it is none. The predictor knows its patients and pictures by
# salted hashes, and says so:

# %%
try:
    evaluate(sent, here.subset(here.radiograph_ids[:20]), out="work/not_external")
except XattnBmdError as error:
    print(error)

# %% [markdown]
# ## Elsewhere, with nothing fitted
#
# Thresholds, recalibration, triage cut-offs and interval widths are carried over unchanged.

# %%
shutil.rmtree("work/external", ignore_errors=True)
external = evaluate(predictors, there, out="work/external")
drop = external.drop()
shown = drop[drop["metric"].isin(["mae", "r2", "auroc", "sensitivity", "specificity"]) & (drop["threshold"] != -2.5)]
shown[["model", "metric", "internal", "external", "change", "change_low", "change_high"]].round(3)

# %% [markdown]
# `change` is external minus internal, with an interval for the difference of two independent groups of people. R² may
# fall only because the other people are more alike; the mean absolute error does not share that weakness.

# %%
figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.8), sharex=True, sharey=True)
for place, one in zip(axes, predictors, strict=True):
    for rows, name, color in (
        (run.predictions, "internal, out of fold", "#9ECAE1"),
        (external.predictions, "hospital C", "#D55E00"),
    ):
        mine = rows[rows["model"] == one.model]
        place.scatter(mine["target"], mine["prediction"], s=9, color=color, label=name)
    place.axline((0.8, 0.8), slope=1, color="grey", linewidth=1)
    place.set(title=one.model, xlabel="measured (g/cm²)")
axes[0].set_ylabel("predicted (g/cm²)")
axes[0].legend(frameon=False, fontsize=7)
figure.suptitle("simulated", fontsize=9)
figure.tight_layout()

# %% [markdown]
# ## Is it the bias or the ranking?
#
# If the estimates elsewhere are all too high by the same amount, a new calibration mends them. If the order of the
# people is lost, nothing does. The report's calibration and coverage figures tell the two apart; do the intervals
# still hold what they promise?

# %%
page = external.report()
Image(filename=str(external.folder / "report/figures/calibration-curve.png"), width=430)

# %%
elsewhere = external.predictions
errors = elsewhere["prediction"] - elsewhere["target"]
errors.groupby(elsewhere["model"]).agg(["mean", "std"]).round(3)

# %% [markdown]
# `mean` is the bias at hospital C, `std` the spread that no shift can mend. If you recalibrate there, use some of its
# people for that and score on the others, and say so: it is no longer an external validation of the model as it was.
#
# From the command line: `xattn-bmd evaluate RUN/concat new.csv --images new/ --out EXTERNAL`.
