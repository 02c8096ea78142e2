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
# # Your own data: from an export to a cohort that can be trusted
#
# Most errors of a study are made before any model is trained: a picture joined with the wrong person, a weight in the
# wrong column, both hips of one woman on two sides of a fold. This page takes a deliberately bad export, finds what
# is wrong with it, mends it, and looks at the folds.
#
# **Simulated.** The radiographs are simulated ones, exported as PNG; no number here says anything about patients.

# %%
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

from xattn_bmd import Cohort, CompareConfig, FoldPlan, compare, read_radiograph, simulate_cohort

# %% tags=["parameters"]
HIPS = 120  # radiographs
FOLDS = 4
EPOCHS = 15

# %% [markdown]
# ## What a file says, and what the reader does
#
# DICOM files differ in polarity, window and pixel spacing. `read_radiograph` settles all of it and keeps a list of
# the steps it took. Two simulated hospitals:

# %%
hips = Cohort.from_csv(simulate_cohort("work/hips", n=HIPS, preset="screening", size=192))
first_of_each = hips.table.drop_duplicates("site").head(2)
figure, axes = plt.subplots(1, 2, figsize=(6, 3))
for place, row in zip(axes, first_of_each.itertuples(), strict=False):
    radiograph = read_radiograph(hips.image_paths[row.radiograph_id])
    print(row.site, *radiograph.steps, sep="\n  ")
    place.imshow(radiograph.pixels, cmap="gray")
    place.set_title(f"{row.site} (simulated)", fontsize=9)
    place.axis("off")

# %% [markdown]
# ## An export as it comes
#
# A folder of 16-bit PNG files and a table with the hospital's own column names and a semicolon between them. Four
# things go wrong on the way, as they do: one picture gets lost, one weight is typed without its last digit, one row
# is there twice, and one sex is written in another way.

# %%
own = Path("work/own")
(own / "pictures").mkdir(parents=True, exist_ok=True)
for name, path in hips.image_paths.items():
    pixels = read_radiograph(path).pixels
    grey = (65535 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint16)
    Image.fromarray(grey).save(own / "pictures" / f"{name}.png")

clean = hips.table.rename(columns={"radiograph_id": "accession", "patient_id": "pseudonym", "fn_bmd": "neck_bmd"})
clean = clean[["accession", "pseudonym", "side", "sex", "age_xray", "weight", "smoking", "neck_bmd"]]
bad = clean.copy()
(own / "pictures" / f"{bad.accession[0]}.png").unlink(missing_ok=True)
bad.loc[1, "weight"] = 7.4
bad.loc[2, "sex"] = "femme"
bad = pd.concat([bad, bad.iloc[[3]]])
bad.to_csv(own / "export.csv", sep=";", index=False)
bad.head(3)

# %% [markdown]
# ## What each column is for
#
# Roles are declared once, in a small YAML file beside the table. The library never guesses which column is the
# patient. Ranges and categories are what is *plausible*: they are how typing errors are found. Pictures join the
# table by id, never by the order of the rows.

# %%
roles = """\
id: accession
patient: pseudonym                     # a patient is never on two sides of a fold
target: {column: neck_bmd, unit: g/cm2, range: [0.2, 2.0]}
reference: lunar_femoral_neck_white_female
numeric:
  age_xray: {unit: years, range: [18, 110]}
  weight: {unit: kg, range: [25, 250]}
categorical:
  sex: [female, male]
  smoking: [never, former, current]
side: side                             # right hips are turned to look like left ones
stratify: [sex]
simulated: true                        # leave this line out for real radiographs
"""
_ = (own / "export.yaml").write_text(roles)

# %% [markdown]
# ## One list of everything that is wrong
#
# `check` does not stop at the first fault. Each is one sentence: the rule, what was found, the fix. With
# `read_images=True` it also decodes every picture, and finds unreadable files and one picture under two ids.

# %%
for problem in Cohort.from_csv(own / "export.csv", images=own / "pictures").check(read_images=True):
    print(f"[{problem.severity}] {problem.message}\n")

# %% [markdown]
# A comparison would refuse this cohort with the same list. Mend the table, never the code that reads it:

# %%
mended = bad.drop_duplicates().reset_index(drop=True)
mended.loc[1, "weight"] = 74.0  # looked up in the record
mended.loc[2, "sex"] = "female"
mended = mended.drop(index=0)  # its picture is lost for good
mended.to_csv(own / "export.csv", sep=";", index=False)
cohort = Cohort.from_csv(own / "export.csv", images=own / "pictures")
print(len(cohort), "radiographs; problems:", [problem.message for problem in cohort.check(read_images=True)])

# %% [markdown]
# ## The folds, before anything is trained
#
# A fold plan is a file of its own. It is stratified on bins of the density and on sex, and keeps a patient together.
# Look at it, store it, and hand it to everybody who works on the cohort: its hash is written into every scored table.

# %%
plan = FoldPlan.make(cohort, folds=FOLDS, seed=0)
plan.save(own / "fold_plan.json")
plan.check_leakage(dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)))  # raises if a patient is shared
density = dict(zip(cohort.radiograph_ids, cohort.targets, strict=True))
sex = dict(zip(cohort.radiograph_ids, cohort.table["sex"], strict=True))

figure, axes = plt.subplots(figsize=(6, 2.8))
for fold in range(plan.folds):
    scored = plan.split(0, fold).test
    spread = np.linspace(-0.18, 0.18, len(scored))
    colors = ["#D55E00" if sex[name] == "female" else "#0072B2" for name in scored]
    axes.scatter(fold + spread, [density[name] for name in scored], c=colors, s=10)
    axes.hlines(np.mean([density[name] for name in scored]), fold - 0.25, fold + 0.25, color="black")
axes.set(xlabel="fold in which a hip is scored", ylabel="density (g/cm²)", xticks=range(plan.folds))
axes.set_title(f"women orange, men blue, line: mean; plan {plan.hash[:8]}", fontsize=9)
figure.tight_layout()

# %% [markdown]
# ## The comparison on your plan
#
# Nothing more is needed than the cohort and the plan. A killed run is continued by the same call, and gives the same
# bytes.

# %%
quick = CompareConfig.from_preset("quick")
config = replace(quick, training=replace(quick.training, epochs=EPOCHS))
run = compare(cohort, out=own / "run", models=["concat", "ridge"], plan=plan, config=config, progress=False)
table = run.metrics()
table[table["method"].str.startswith("pooled") & table["metric"].isin(["mae", "r2"])][
    ["model", "metric", "value", "low", "high"]
].round(3)

# %% [markdown]
# The same three steps from the command line:
#
# ```
# xattn-bmd check export.csv --images pictures/
# xattn-bmd compare export.csv --images pictures/ --out RUN
# xattn-bmd predict RUN/concat new.csv --images new/ --out estimates.csv
# ```
