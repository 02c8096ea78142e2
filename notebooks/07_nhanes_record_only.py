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
# # NHANES: real records without radiographs
#
# The US survey NHANES scanned the femoral neck of thousands of people and publishes their records. There are no
# radiographs, so the question here is a smaller one that every study should ask first: how much does the *record
# alone* know about density?
#
# **Made up.** Nothing is downloaded here. The files below are written by this page in the format and with the
# variable names of NHANES, for people who do not exist. Later, radiographs of these people are *simulated*. No number
# on this page says anything about the population of the United States.
#
# **The real files.** Download from the website of the CDC, for one or more of the cycles 2005–2006 (`_D`), 2007–2008
# (`_E`), 2009–2010 (`_F`) and 2013–2014 (`_H`), the files DEMO, BMX and DXXFEM, and where you want them SMQ, ALQ, PAQ
# and DBQ; put the `.XPT` files into one folder and give that folder to `Cohort.from_nhanes` below.

# %%
import math
import struct
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from xattn_bmd import Cohort, CompareConfig, compare, get_reference, read_radiograph, simulate_cohort, t_score

# %% tags=["parameters"]
PEOPLE = 250
FOLDS = 5
EPOCHS = 20

# %% [markdown]
# ## Files in the format of NHANES
#
# A SAS transport file is a row of 80-byte cards; its numbers are IBM floats: a sign, a power of 16 and a fraction.
# This part is only needed because nothing is downloaded. Skip it if you have the real files.


# %%
def ibm_float(value):
    """Return a number as 8 bytes; NaN becomes SAS's missing value."""
    if math.isnan(value) or value == 0:
        return bytes(8) if value == 0 else b"." + bytes(7)
    fraction, power = math.frexp(abs(value))
    sixteens = -(-power // 4)
    bits = int(math.ldexp(fraction, 56)) >> (4 * sixteens - power)
    return struct.pack(">Q", (value < 0) << 63 | (sixteens + 64) << 56 | bits)


def card(kind, digits="0" * 30):
    """Return the header card that opens a part of the file."""
    return f"HEADER RECORD*******{kind:8}HEADER RECORD!!!!!!!{digits}  ".encode()


def padded(content):
    """Return bytes filled up to whole cards."""
    return content + b" " * (-len(content) % 80)


def write_xpt(path, columns):
    """Write numeric columns of equal length."""
    when, blank = "01JAN10:00:00:00", b" " * 8
    library = f"{'SAS':8}{'SAS':8}{'SASLIB':8}{'9.4':8}{'LINUX':8}{'':24}{when}{when:80}".encode()
    member = f"{'SAS':8}{path.stem:8}{'SASDATA':8}{'9.4':8}{'LINUX':8}{'':24}{when}{when:80}".encode()
    described = b""
    for place, name in enumerate(columns):
        kind = struct.pack(">hhhh8s40s8s", 1, 0, 8, place + 1, name.encode().ljust(8), blank * 5, blank)
        described += kind + struct.pack(">hhh2s8shhl52s", 0, 0, 0, bytes(2), blank, 0, 0, 8 * place, bytes(52))
    rows = b"".join(ibm_float(float(cell)) for row in zip(*columns.values(), strict=True) for cell in row)
    path.write_bytes(
        card("LIBRARY") + library + card("MEMBER", "000000000000000001600000000140") + card("DSCRPTR") + member
        + card("NAMESTR", f"000000{len(columns):04}" + "0" * 20) + padded(described) + card("OBS") + padded(rows)
    )  # fmt: skip


# %% [markdown]
# Made-up people: density falls with age and rises with weight, men have more of it, and most of the rest is chance.

# %%
generator = np.random.default_rng(0)
age = generator.integers(45, 81, PEOPLE).astype(float)
male = generator.random(PEOPLE) < 0.5
height = np.where(male, 175, 162) + 7 * generator.normal(size=PEOPLE)
weight = 24 * (height / 100) ** 2 + 12 * generator.normal(size=PEOPLE) + 8
weight = weight.clip(42, 150)
density = 0.76 + 0.06 * male - 0.004 * (age - 62) + 0.003 * (weight - 75) + 0.10 * generator.normal(size=PEOPLE)
smokes = generator.random(PEOPLE) < 0.45
quit_it = generator.random(PEOPLE) < 0.6
scanned = np.where(generator.random(PEOPLE) < 0.95, 1, 3)  # 3: not scanned

folder = Path("work/nhanes")
folder.mkdir(parents=True, exist_ok=True)
person = np.arange(60001, 60001 + PEOPLE)
files = {
    "DEMO_F": {"RIAGENDR": np.where(male, 1, 2), "RIDAGEYR": age.clip(max=80)},
    "BMX_F": {"BMXHT": height.round(1), "BMXWT": weight.round(1), "BMXBMI": (weight / (height / 100) ** 2).round(2)},
    "DXXFEM_F": {
        "DXAFMRST": scanned,
        "DXXFMBCC": np.zeros(PEOPLE),
        "DXXNKBMD": np.where(scanned == 1, density.clip(0.35, 1.5).round(3), np.nan),
    },
    "SMQ_F": {"SMQ020": np.where(smokes, 1, 2), "SMQ040": np.where(smokes, np.where(quit_it, 3, 1), np.nan)},
}
for name, columns in files.items():
    write_xpt(folder / f"{name}.XPT", {"SEQN": person} | columns)
print(*sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# ## Reading them
#
# One row is one person aged 50 and more with a complete and valid hip scan. Codes become words, answers such as
# *refused* become missing, and a variable that no file gives has no role. NHANES scanned on Hologic devices: the
# cohort says so, and T-scores are those of the Hologic reference.

# %%
cohort = Cohort.from_nhanes(folder)  # the real files: give their folder here
print(f"{len(cohort)} of {PEOPLE} people; variables: {', '.join(cohort.schema.names)}")
print(cohort.roles.reference)
cohort.table.drop(columns="patient_id").head(4)

# %% [markdown]
# The device matters. The same person has another density on a Lunar; the published conversion brings one scale to the
# other, and with its own reference the T-score stays about the same:

# %%
lunar = Cohort.from_nhanes(folder, scale="lunar")
scores = [t_score(each.targets, reference=get_reference(each.roles.reference)) for each in (cohort, lunar)]
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2))
for place, values, title in (
    (axes[0], (cohort.targets, lunar.targets), "density (g/cm²)"),
    (axes[1], scores, "T-score"),
):
    place.scatter(*values, s=8, color="#0072B2")
    place.axline((values[0].mean(), values[0].mean()), slope=1, color="grey", linewidth=1)
    place.set(xlabel=f"{title}, Hologic", ylabel=f"{title}, Lunar")
figure.suptitle("made-up people", fontsize=9)
figure.tight_layout()

# %% [markdown]
# ## What the record knows
#
# Three models that see no picture: linear regression, boosted trees, and the record's half of the networks. Where the
# truth is linear and the cohort small, the simplest one is hard to beat, and that is worth knowing before a network
# is praised for using the record.

# %%
quick = CompareConfig.from_preset("quick")
config = replace(quick, folds=FOLDS, training=replace(quick.training, epochs=EPOCHS))
models = ["ridge", "boosted_trees", "metadata_only"]
run = compare(cohort, out="work/record_only", models=models, config=config, progress=False)
table = run.metrics()
pooled = table[table["method"].str.startswith("pooled") & table["metric"].isin(["mae", "r2"])]
pooled[["model", "metric", "value", "low", "high"]].round(3)

# %%
figure, axes = plt.subplots(1, 3, figsize=(8, 3), sharex=True, sharey=True)
for place, model in zip(axes, models, strict=True):
    mine = run.predictions[run.predictions["model"] == model]
    place.axline((0.75, 0.75), slope=1, color="grey", linewidth=1)
    place.scatter(mine["target"], mine["prediction"], s=8, color="#0072B2")
    place.set(title=model, xlabel="measured (g/cm²)")
axes[0].set_ylabel("predicted, out of fold (g/cm²)")
figure.suptitle("made-up people", fontsize=9)
figure.tight_layout()

# %% [markdown]
# The cloud is flatter than the line: what the record does not know is predicted by the mean. That is the share which
# a radiograph would have to add.
#
# ## Radiographs for real records
#
# `simulate_cohort` can give each person of a table a simulated radiograph with that person's density. Labels stay on
# the Hologic scale. Everything that the other notebooks do then works on these people, and every output says
# *simulated*.

# %%
few = cohort.table.sort_values("fn_bmd").iloc[[0, len(cohort) // 3, 2 * len(cohort) // 3, -1]]
hips = Cohort.from_csv(simulate_cohort("work/nhanes_hips", subjects=few, scale="hologic", size=192, workers=1))
figure, axes = plt.subplots(1, 4, figsize=(9, 2.7))
for place, row in zip(axes, hips.table.itertuples(), strict=True):
    place.imshow(read_radiograph(hips.image_paths[row.radiograph_id]).pixels, cmap="gray")
    place.set_title(f"{row.fn_bmd:.2f} g/cm², {row.age_xray:.0f} years", fontsize=9)
    place.axis("off")
figure.suptitle("simulated radiographs of made-up people", fontsize=9)
figure.tight_layout()

# %% [markdown]
# ## With the real files, remember
#
# - Age is top-coded at 80 or 85 years.
# - NHANES is a weighted sample. Without its weights these figures describe the people in the files, not the population.
# - The questions changed between cycles; activity is missing in 2005–2006.
# - The densities are Hologic; compare with a Lunar cohort only after conversion.
