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
# # Searching for settings, and what the search is worth
#
# Try fifty settings, keep the best, report its score: that score is too good, because the folds that chose it also
# praise it. `tune` searches with Optuna inside each outer fold and scores the choice on people that no trial has
# seen. This page runs both kinds of search and measures the difference.
#
# **Simulated.** The cohort is simulated. To keep the page short the search is over `metadata_only`, a network that
# sees the record alone; `models=["xattn"]` searches the fusion in the same way.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt

from xattn_bmd import Cohort, CompareConfig, compare, optimism, simulate_cohort, tune

# %% tags=["parameters"]
HIPS = 120  # radiographs
TRIALS = 8
FOLDS = 3
EPOCHS = 12

# %% [markdown]
# ## What is searched
#
# A space is data: the dotted name of a setting, and its range or its choices. `when` says that a setting exists only
# where another one has a certain value. Trial 0 is always the configuration from which the search begins, so the
# chosen one is never worse than it on the folds of the search.

# %%
cohort = Cohort.from_csv(simulate_cohort("work/hips", n=HIPS, preset="screening", size=192))
space = {
    "training.learning_rate": {"low": 3e-4, "high": 3e-2, "log": True},
    "model.dropout": {"low": 0.0, "high": 0.5},
    "model.width": {"choices": [16, 64]},
    "training.loss": {"choices": ["weighted_smooth_l1", "mse"]},
    "training.beta": {"low": 0.01, "high": 0.2, "log": True, "when": {"training.loss": ["weighted_smooth_l1"]}},
}
quick = CompareConfig.from_preset("quick")
start = replace(quick, folds=FOLDS, training=replace(quick.training, epochs=EPOCHS, patience=EPOCHS))
settings = {"space": space, "models": ["metadata_only"], "trials": TRIALS, "config": start, "progress": False}

# %% [markdown]
# ## The honest search
#
# Each outer fold has a study of its own, on inner folds of its training part; one more study sees everybody and
# chooses the configuration to use.

# %%
nested = tune(cohort, out="work/nested", inner_folds=3, **settings)
print(*nested.summary(), sep="\n")

# %%
nested.scores.round(4)

# %% [markdown]
# Every trial is kept, also those that were stopped early because a test over the folds so far called them worse. A
# stopped trial is never chosen.

# %%
final = nested.trials[nested.trials["search"] == nested.trials["search"].iloc[-1]]
finished = final[final["state"] == "complete"]
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3))
for state, marker in (("complete", "o"), ("pruned", "x")):
    if len(part := final[final["state"] == state]):
        axes[0].scatter(part["trial"], part["mae"], marker=marker, color="#0072B2", label=state)
axes[0].step(finished["trial"], finished["mae"].cummin(), where="post", color="#D55E00", label="best so far")
axes[0].set(xlabel="trial", ylabel="MAE on the inner folds (g/cm²)")
axes[0].legend(frameon=False, fontsize=8)
axes[1].scatter(final["training.learning_rate"], final["mae"], c=final["model.dropout"], cmap="viridis", s=22)
axes[1].set(xscale="log", xlabel="learning rate (colour: dropout)")
axes[1].set_xticks([0.001, 0.003, 0.01], ["0.001", "0.003", "0.01"])
axes[1].xaxis.set_minor_formatter("")
figure.suptitle("the search that sees everybody; simulated", fontsize=9)
figure.tight_layout()

# %% [markdown]
# Which setting mattered? The share of the variation that each explains; with so few trials, a hint and no more.

# %%
nested.importance.round(2)

# %% [markdown]
# ## The flat search, and its optimism
#
# The same space and the same folds, but the trials are scored on the outer folds themselves. It needs far fewer fits,
# and every file that it writes is labelled *optimistic*.

# %%
flat = tune(cohort, out="work/flat", nested=False, **settings)
optimism(flat=flat, nested=nested).round(4)

# %% [markdown]
# `optimism` is flat minus nested: a negative error there is what the flat search promises and the outer folds do not
# keep. One search of a few trials is itself a throw of dice; the difference grows with the number of trials and
# shrinks with the number of patients.
#
# ## Using what was found
#
# `nested.best` is a configuration like any other. A comparison with it on the *same* cohort is optimistic, as it was
# chosen there; its honest score is the one above. It is meant for the next cohort.

# %%
best = nested.best
print(f"learning rate {best.training.learning_rate:.2g}, dropout {best.model.dropout:.2f}, width {best.model.width}")
new = Cohort.from_csv(simulate_cohort("work/next", n=HIPS, preset="screening", seed=2, size=64))
tuned = compare(new, out="work/tuned", models=["metadata_only"], config=best, progress=False)
default = compare(new, out="work/default", models=["metadata_only"], config=start, progress=False)
for name, run in (("as it was", default), ("as found", tuned)):
    row = run.metrics().query("metric == 'mae'").iloc[0]
    print(f"{name:10} MAE {row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}] g/cm²")

# %% [markdown]
# From the command line: `xattn-bmd tune cohort.csv --images radiographs/ --space fusion --trials 50 --out SEARCH`.
# Killed? The same command continues. Several processes or machines run the same command with the same `--storage`.
