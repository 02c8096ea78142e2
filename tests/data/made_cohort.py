"""A small sound cohort in a folder, and a way to spoil one thing in it."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

YAML = """\
id: radiograph_id
patient: patient_id
image: image
target: {column: fn_bmd, unit: g/cm2, range: [0.2, 2.0]}
reference: lunar_femoral_neck_white_female
numeric:
  age_xray: {unit: years, range: [18, 110]}
  height: {unit: cm, range: [120, 220]}
  weight: {unit: kg, range: [30, 200]}
  bmi: {unit: kg/m2, range: [12, 60]}
  activity: {}
categorical:
  sex: [female, male]
  smoking: [never, former, current]
site: site
side: side
stratify: [sex]
simulated: true
"""


def made_rows(count=24, *, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        height, weight = round(rng.uniform(150, 185), 1), round(rng.uniform(50, 95), 1)
        rows.append(
            {
                "radiograph_id": f"{number + 1:03d}",
                "patient_id": f"P{number + 1:03d}",
                "image": f"{number + 1:03d}.png",
                "fn_bmd": f"{rng.normal(0.9, 0.13):.3f}",
                "age_xray": f"{rng.uniform(70, 80):.1f}",
                "height": f"{height}",
                "weight": f"{weight}",
                "bmi": f"{weight / (height / 100) ** 2:.1f}",
                "activity": f"{rng.normal():.2f}",
                "sex": ("female", "male")[number % 2],
                "smoking": ("never", "former", "current")[number % 3],
                "site": "AB"[number % 2],
                "side": "LR"[number // 2 % 2],
                "remark": "not used",
            }
        )
    return rows


def write_table(path: Path, rows, *, separator=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_cohort(folder: Path, rows=None, *, yaml=YAML, images=True):
    rows = made_rows() if rows is None else rows
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cohort.yaml").write_text(yaml, encoding="utf-8")
    if images:
        (folder / "images").mkdir(exist_ok=True)
        for number, row in enumerate(rows):
            write_picture(folder / "images" / row["image"], seed=number)
    return write_table(folder / "cohort.csv", rows)


def write_picture(path: Path, *, seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 40)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
