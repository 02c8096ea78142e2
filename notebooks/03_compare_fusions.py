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
# # Is one fusion better than another?
#
# A table with two numbers, the smaller one in bold, is where most comparisons end. This page goes on from there: are
# the models built with the same care, is the difference larger than chance, and could this cohort have shown a
# difference at all?
#
# **Simulated.** These are simulated hips, few of them, and short training. What the page shows is how to read a
# comparison; which fusion wins here says nothing about patients.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image

from xattn_bmd import Cohort, CompareConfig, build_network, compare, simulate_cohort

# %% tags=["parameters"]
HIPS = 120  # radiographs
FOLDS = 4
EPOCHS = 25

# %% [markdown]
# ## Six models, one plan
#
# Three ways to fuse, a network for each input alone, and a baseline that knows no pictures. The single-input models
# matter most: a fusion that does not beat *both* of them fuses nothing.
#
# | model | sees | how |
# |---|---|---|
# | `xattn` | image and record | bidirectional cross-attention |
# | `concat` | image and record | the two feature vectors side by side |
# | `film` | image and record | the record scales and shifts the channels of the picture |
# | `image_only`, `metadata_only` | one of them | the same network with one input |
# | `ridge` | record | linear regression |

# %%
cohort = Cohort.from_csv(simulate_cohort("work/hips", n=HIPS, preset="screening", size=192))
quick = CompareConfig.from_preset("quick")
config = replace(quick, folds=FOLDS, training=replace(quick.training, epochs=EPOCHS))
models = ["xattn", "concat", "film", "image_only", "metadata_only", "ridge"]
run = compare(cohort, out="work/fusions", models=models, config=config, progress=False)
page = run.report()

# %% [markdown]
# ## The same care for all
#
# A larger network would win for its size. So the fusion parts are built to the same number of parameters, within
# 10 %:

# %%
parameters = {}
for model in models[:-1]:
    network = build_network(fusion=model, schema=cohort.schema, config=config.model, target_mean=0.9, target_sd=0.1)
    parameters[model] = sum(values.numel() for values in network.fusion.parameters())
pd.Series(parameters, name="parameters of the fusion part").to_frame()

# %% [markdown]
# ## How well each one does

# %%
Image(filename=str(run.folder / "report/figures/models-r2.png"), width=430)

# %% [markdown]
# R² of 0 is what the mean density of the cohort would get. The intervals are wide: that is the size of the cohort,
# and no test will make it larger. They are also *not* what two models are compared by: both models err on the same
# difficult hips, so their difference is known better than each of them.
#
# ## The difference, paired
#
# For the same radiographs, drawn anew as whole patients 2,000 times, the change of the mean squared error against
# `concat`:

# %%
Image(filename=str(run.folder / "report/figures/comparison-mse.png"), width=430)

# %% [markdown]
# ## Two tests, two questions
#
# The bootstrap asks whether *these trained models* differ on other patients of this kind. The corrected *t* test asks
# whether the two *ways of training* differ, and adds what another split of the data would change. A better method is
# claimed only where both agree, after Holm's correction for the number of models.

# %%
tests = run.comparisons()
shown = tests[tests["metric"] == "mse"]
shown.pivot(index="model_a", columns="test", values=["p", "p_holm"]).round(3)

# %% [markdown]
# ## Could this cohort have shown it?
#
# Before "no significant difference" is read as "no difference": the smallest change of the mean squared error that
# this comparison finds with 80 % power, and the power it has for the change that the source study reported.

# %%
detectable = pd.read_csv(run.folder / "report/tables/detectable.csv")
detectable = detectable[detectable["metric"] == "mse"]
detectable[["model_a", "observed_relative", "detectable_relative", "power_at", "power"]].round(3)

# %% [markdown]
# `power` is the chance to find a change of the size `power_at`. Whatever is smaller than `detectable_relative` this
# cohort may well miss: a fusion can be that much better or worse than `concat`, and nobody will know. More hips, or
# many cohorts, would tell.
#
# ## Patient by patient
#
# Where do the two fusions differ? If the points lie on the line, they make the same errors, and the way of fusing is
# not what limits them.

# %%
wide = run.predictions.pivot(index="radiograph_id", columns="model", values="prediction")
target = run.predictions.drop_duplicates("radiograph_id").set_index("radiograph_id")["target"]
errors = wide.sub(target, axis=0)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharex=True, sharey=True)
for place, other in zip(axes, ["xattn", "image_only"], strict=True):
    place.axline((0, 0), slope=1, color="grey", linewidth=1)
    place.scatter(errors["concat"], errors[other], s=10, color="#0072B2")
    place.set_title(f"r = {errors['concat'].corr(errors[other]):.2f}", fontsize=9)
    place.set(xlabel="error of concat (g/cm²)", ylabel=f"error of {other} (g/cm²)")
figure.suptitle("simulated", fontsize=9)
figure.tight_layout()

# %% [markdown]
# ## What may be written in a paper
#
# 1. The values with their intervals, for every model that was run, not only the best.
# 2. The paired difference with its interval, and both tests.
# 3. What the comparison could have detected.
# 4. The hash of the fold plan and the settings; `work/fusions` holds them, and `report.html` prints them.
#
# Choosing the best of six models by their scores and then reporting its score is optimistic. `06_optuna_study` shows
# by how much, and how a nested search avoids it.
