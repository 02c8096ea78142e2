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
# # Screening and uncertainty: who needs the DXA scan?
#
# A density with an error of a tenth of a gram may still find most people with low density, or it may not. This page
# goes from densities to T-scores, from T-scores to decisions, and asks at each step how sure one can be.
#
# **Simulated.** Every radiograph is simulated, and no cut-off on this page may be used for a patient.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image

from xattn_bmd import (
    Cohort,
    CompareConfig,
    Predictor,
    compare,
    get_reference,
    screening,
    simulate_cohort,
    t_score,
    who_class,
)

# %% tags=["parameters"]
HIPS = 120  # radiographs
NEW = 40  # radiographs of new people
FOLDS = 4
EPOCHS = 25

# %% [markdown]
# ## Density, T-score, class
#
# A T-score is the distance from the mean of young adults, in their standard deviations. Which young adults, and on
# which device, decides who is called osteoporotic, so the reference has a name, and every table carries it.

# %%
neck = get_reference("lunar_femoral_neck_white_female")
hologic = get_reference("hologic_femoral_neck_white_female")
density = np.array([1.05, 0.90, 0.80, 0.65])
pd.DataFrame(
    {
        "density": density,
        "T on a Lunar": t_score(density, reference=neck).round(2),
        "class": who_class(t_score(density, reference=neck)),
        "T if it were a Hologic": t_score(density, reference=hologic).round(2),
    }
)

# %% [markdown]
# ## A model, scored on people it has not seen
#
# `variable_dropout` withholds a tenth of the variables in training, so that the model can do without any of them
# where a record has gaps.

# %%
cohort = Cohort.from_csv(simulate_cohort("work/hips", n=HIPS, preset="screening", size=192))
quick = CompareConfig.from_preset("quick")
config = replace(
    quick,
    folds=FOLDS,
    training=replace(quick.training, epochs=EPOCHS),
    model=replace(quick.model, variable_dropout=0.1),
)
run = compare(cohort, out="work/screening", models=["concat", "ridge"], config=config, progress=False)
page = run.report()


def figure_of(name, width=430):
    return Image(filename=str(run.folder / f"report/figures/{name}.png"), width=width)


figure_of("roc-tm1")

# %% [markdown]
# The table behind it has every metric with its interval. Low density (T < −1) is the positive class. Any other
# threshold can be asked for; the density that belongs to it stands beside it.

# %%
table = run.screening(thresholds=[-1.0, -2.0])
wanted = table[(table["model"] == "concat") & table["metric"].isin(["sensitivity", "specificity", "auroc", "brier"])]
wanted[wanted["method"].str.startswith("pooled")][
    ["threshold", "density_threshold", "metric", "value", "low", "high"]
].round(3)

# %% [markdown]
# ## The price of moving the cut-off
#
# `screening` works on plain arrays too. Here the measured density stays at T = −1, and only the call is moved: people
# are called low when the *estimate* is below another T-score, by adding the same amount to all estimates.

# %%
mine = run.predictions[run.predictions["model"] == "concat"]
steps = np.linspace(-0.10, 0.10, 21)
found = [screening(mine["target"], mine["prediction"] + step, reference=neck) for step in steps]
figure, axes = plt.subplots(figsize=(5, 3))
axes.plot(-steps, [each.sensitivity for each in found], label="sensitivity", color="#0072B2")
axes.plot(-steps, [each.specificity for each in found], label="specificity", color="#D55E00", linestyle="--")
axes.axvline(0, color="grey", linewidth=1)
axes.set(xlabel="cut-off moved by (g/cm²)", ylabel="share", ylim=(0, 1.02))
axes.legend(frameon=False)
axes.set_title("concat, simulated", fontsize=9)
figure.tight_layout()

# %% [markdown]
# A cut-off that is moved until the picture looks good has been fitted to these very people. The library therefore
# fits triage cut-offs on each fold's inner validation part only, and scores them on the fold.
#
# ## Triage: who is decided without a scan
#
# Below one cut-off people are ruled in with a wanted predictive value of 95 %, above another they are ruled out;
# whoever lies between needs the scan.

# %%
triage = pd.read_csv(run.folder / "report/tables/triage.csv").query("model == 'concat' and threshold == -1")
triage[["metric", "wanted", "value", "low", "high", "n", "fitted_on", "reason"]].round(2)

# %% [markdown]
# Compare `ppv` and `npv` with the wanted 0.95: with cut-offs fitted on a handful of people the promise need not be
# kept, and the table says so instead of hiding it.
#
# ## Is it worth anything? Decision curves
#
# Net benefit weighs found cases against needless scans, for every risk at which a physician would send somebody to
# DXA. A model is useful where it lies above *scan all* and *scan nobody*.

# %%
figure_of("decision-curve-tm1")

# %% [markdown]
# ## How sure is one estimate?
#
# New people, of the same kind. The interval is conformal: its width comes from the errors on held-out people, not
# from the network's opinion of itself. It should hold the measured density in 90 of 100 cases.

# %%
new = Cohort.from_csv(simulate_cohort("work/new_people", n=NEW, preset="screening", seed=1, size=192))
estimates = Predictor.from_run(run, "concat").predict(new, level=0.9)
measured = pd.Series(new.targets, index=list(new.radiograph_ids), name="measured")
joined = estimates.join(measured, on="radiograph_id").sort_values("measured").reset_index(drop=True)
inside = joined["measured"].between(joined["low"], joined["high"])

figure, axes = plt.subplots(figsize=(7, 3.2))
axes.vlines(joined.index, joined["low"], joined["high"], color=np.where(inside, "#9ECAE1", "#D55E00"), linewidth=3)
axes.scatter(joined.index, joined["prediction"], s=12, color="#0072B2", label="estimate")
axes.scatter(joined.index, joined["measured"], s=16, color="black", marker="x", label="measured")
axes.set(xlabel="new people, by measured density", ylabel="density (g/cm²)")
axes.set_title(f"{inside.mean():.0%} of {len(joined)} inside the 90 % interval (simulated)", fontsize=9)
axes.legend(frameon=False, fontsize=8)
figure.tight_layout()

# %% [markdown]
# Orange intervals miss. The picture also shows what a mean error hides: estimates are drawn towards the middle. The
# thinnest bones are estimated too dense, and those are the people whom screening is for. Calibration and its slope
# are in the report.
#
# An interval of `± 0.2 g/cm²` spans more than a whole WHO class. That is a plain answer to the question of this page:
# with this much data, the estimate chooses whom to scan first, and replaces no scan.
