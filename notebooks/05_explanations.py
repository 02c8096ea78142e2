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
# # Explanations, judged against anatomy
#
# A heat map that nobody checked is decoration. It looks convincing for a good model, and nearly as convincing for one
# that knows nothing. So everything on this page comes with a number: how much of the heat lies on the bone, is that
# more than chance, and would a broken model have shown the same? Then: what did the clinical record add, and does the
# estimate follow the mineral if nothing else is changed?
#
# **Simulated.** Where the bone lies is known here for every pixel, because the radiographs are simulated. With real
# ones, give a folder of masks that somebody drew. Nothing on this page is evidence about patients.

# %%
# %matplotlib inline
import shutil
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML

from xattn_bmd import (
    Cohort,
    CompareConfig,
    Predictor,
    compare,
    counterfactual_slopes,
    draw_hips,
    explain,
    record_contributions,
    simulate_cohort,
)

# %% tags=["parameters"]
FEW = 40  # radiographs
SIZE = 224  # pixels
CHANGED = 4  # people who are radiographed again and again
FOLDS = 4
EPOCHS = 40

# %% [markdown]
# ## A model to explain
#
# Cross-attention behind the bone encoder, at the 224 pixels that this encoder was made for. It was pretrained on
# *simulated* hips, with masks of the femur among what it had to tell: such a trunk knows where bone is before our
# training begins, and the controls below must take that into account. Each radiograph is explained by the fold model
# that did not train on its patient. `variable_dropout` withholds a tenth of the variables in training, so that a
# record with gaps can be explained.

# %%
table = simulate_cohort("work/few_hips", n=FEW, preset="screening", size=SIZE)
cohort = Cohort.from_csv(table)
quick = CompareConfig.from_preset("quick")
config = replace(
    quick,
    folds=FOLDS,
    image=replace(quick.image, size=SIZE),
    training=replace(quick.training, epochs=EPOCHS, batch_size=8),
    model=replace(quick.model, weights="bone", variable_dropout=0.1),
)
run = compare(cohort, out="work/explained", models=["xattn"], config=config, progress=False)
shutil.rmtree(run.folder / "explanations", ignore_errors=True)
metrics = run.metrics()
metrics[metrics["method"].str.startswith("pooled") & metrics["metric"].isin(["mae", "r2"])][
    ["model", "metric", "value", "low", "high"]
].round(3)

# %% [markdown]
# ## Where it looks
#
# One call makes a heat map of every radiograph, the same with two networks that learned nothing from these people,
# and judges all of them against the masks. The method, HiResCAM, multiplies two things place by place: how the picture
# differs there from an empty one, and what that does to the estimate. Red heat raises the estimated density, blue heat
# lowers it; the outline is the femur. What the record adds (`added`, further below) is computed first, so that the
# pages of single radiographs can show it.

# %%
added = record_contributions(run, cohort, people=10)
masks = table.parent / "truth"
found = explain(
    run,
    cohort,
    out=run.folder / "explanations/hirescam",
    masks=masks,
    controls=["random_weights", "random_fit"],
    steps=3,
    sheets=1,
    contributions=added,
)
figures = found.figures()
for each in figures.values():
    each.set_dpi(60 if each is figures["heat"] else 75)
figures["heat"]

# %% [markdown]
# ## Is that more than chance, and more than a broken model?
#
# The share of the heat inside each region, divided by the share that heat spread evenly would have there: 1 is
# chance. *Random weights* is a network that never learned anything. *Random, trunk kept* has the pretrained trunk, and
# everything that was trained here is new: its heat is what that trunk makes bright by itself.

# %%
figures["region_heat"]

# %% [markdown]
# Read three things off it: the trained row against 1, against the random weights, and against the kept trunk. Only the
# last distance is what *this* training added; the rest came with the trunk.
#
# ## Grad-CAM, judged in the same way
#
# The best known method, on the same model and the same radiographs:

# %%
cam = explain(
    run, cohort, out=run.folder / "explanations/grad_cam", method="grad_cam", masks=masks, steps=0, sheets=0
)
picture = cam.figures()["heat"]
picture.set_dpi(60)
picture

# %%
rows = []
for each in (found, cam):
    scores = each.overlap.set_index(["measure", "region", "heat_of"])
    for measure in ("share_over_chance", "positive_share_over_chance"):
        for region in ("femur", "neck"):
            trained = scores.loc[(measure, region, "trained")]
            random = scores.loc[(measure, region, "random_weights")]
            passed = trained.low > max(1.0, random.high)
            row = {"method": each.method, "measure": measure, "region": region, "random": random.value}
            rows.append(row | {"trained": trained.value, "low": trained.low, "high": trained.high, "passed": passed})
judged = pd.DataFrame(rows)
judged.round(2)

# %%
for method, passed in judged.groupby("method", sort=False)["passed"]:
    print(f"{method}: above chance and above random weights in {passed.sum()} of {len(passed)} rows")

# %% [markdown]
# A row is passed if the whole interval of the trained model lies above chance and above that of the random weights.
# Grad-CAM looks no less like an explanation than the maps above. But it takes the mean of the gradient over all
# places before it multiplies, and a fusion that reads the picture patch by patch answers each place in its own way:
# the mean forgets just that. This is why methods are judged here, and why Grad-CAM is not the default.
#
# ## Does the heat matter? Deletion and insertion
#
# Cover the picture from its hottest places on, and follow the estimate; then the other way, from an empty picture to
# the whole one. Heat that matters moves the estimate faster than places in random order do.

# %%
figures["perturbation"]

# %% [markdown]
# ## Attention
#
# The mean map of a clinical variable's attention to the picture, over all hips and heads. It says where the network
# looked for keys, not why it estimated what it did. If the maps of all variables are alike, the variables ask the
# same question.

# %%
names = list(cohort.schema.names)
shown = ["age_xray", "weight", "sex"]
figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.6))
for place, name in zip(axes, shown, strict=True):
    place.imshow(found.attention_maps[:, names.index(name)].mean(axis=(0, 1)), cmap="viridis")
    place.set_title(f"{name} (simulated)", fontsize=9)
    place.axis("off")
figure.tight_layout()

# %% [markdown]
# ## What the picture and the record add
#
# A person is compared with others: what would the estimate be with *their* picture, *their* age, *their* weight? Fairly
# shared out (Shapley values), the mean over these people, the picture's part and the variables' parts add up to the
# estimate. Each dot is a radiograph.

# %%
swarm = added.beeswarm()
swarm.set_dpi(75)
swarm

# %% [markdown]
# How much of the estimates is owed to each input? `share` is each one's part of the mean sizes; `variance_share` is its
# part of the differences between people.

# %%
added.shares()[["input", "measure", "value", "low", "high"]].round(3)

# %% [markdown]
# One person, from the mean of the others to the estimate:

# %%
person = next((found.folder / "sheets").glob("*.html")).stem
waterfall = added.waterfall(person)
waterfall.set_dpi(75)
waterfall

# %% [markdown]
# These numbers describe the model, not the person: a variable without any effect on bone may stand for one that the
# record does not hold, and a variable that matters may have been left to the picture.
#
# ## The same person with other mineral
#
# Only a simulator can ask this. Some new people are radiographed with 0.10 g/cm² more mineral and with 0.10 less, and
# then with other soft tissue and other exposure. Bones, pose, noise and record stay as they are. Physics asks for
# 1 g/cm² of estimate for each g/cm² of mineral, and for nothing otherwise.

# %%
people = draw_hips(n=CHANGED, preset="screening", seed=7)
slopes = counterfactual_slopes(Predictor.from_run(run, "xattn"), people, size=SIZE)
whole = slopes[slopes["region"] == "whole"]
figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.4), width_ratios=[1, 1.4])
for place, part, label in (
    (axes[0], whole[whole["ideal"] == 1], "g/cm² of estimate for each g/cm²"),
    (axes[1], whole[whole["ideal"] == 0], "g/cm² of estimate for each step"),
):
    ends = np.array([part["slope"] - part["low"], part["high"] - part["slope"]])
    place.errorbar(part["slope"], part["change"], xerr=ends, fmt="o", color="#0072B2")
    place.axvline(part["ideal"].iloc[0], color="grey", linestyle="--", linewidth=1)
    place.set(xlabel=label, ylim=(len(part) - 0.5, -0.5))
axes[0].set_xlim(min(0, part["low"].min()) - 0.1, max(1.1, whole["high"].max() + 0.1))
figure.suptitle(f"{len(people)} hips, simulated; dashed: what physics asks for", fontsize=9)
figure.tight_layout()

# %%
whole[["change", "step", "ideal", "slope", "low", "high"]].round(4)

# %% [markdown]
# An estimate that leans towards the mean has a mineral slope below 1, and may still be the best one that so few
# radiographs allow; the record, which stays as it was, holds it back too. To judge the other slopes, compare them with
# a tenth of the mineral's: that is what a change of the mineral by 0.10 g/cm² does to the estimate.
#
# Through which part of the picture does the estimate follow the mineral? The parts add up to the slope; `area` is the
# share of the picture that each covers.

# %%
mineral = slopes[(slopes["change"] == "mineral") & (slopes["region"] != "whole")]
mineral[["region", "slope", "low", "high", "area"]].round(3)

# %% [markdown]
# ## A page for one radiograph
#
# `found.folder / "sheets"` holds pages of single radiographs: picture, heat, estimate with its interval, T-score on its
# scale, contributions, and what it is not.

# %%
page = (found.folder / "sheets" / f"{person}.html").read_text().replace("&", "&amp;").replace("'", "&#39;")
HTML(f"<div><iframe srcdoc='{page}' title='Page of {person}' width='100%' height='640' sandbox></iframe></div>")

# %% [markdown]
# And because both explanations lie in the run's folder, `run.report()` shows them.
#
# ## Before such a picture goes into a paper
#
# 1. Show the controls beside it. A map without one proves nothing; a pretrained trunk needs the control that keeps it.
# 2. Give the share and its interval, for all radiographs, not for the three that look best.
# 3. Name the method, and say how it was judged: on the same model, two methods can point to different places.
# 4. Heat is where the estimate is *sensitive*. It is not where the bone is weak.
