"""A model whose contributions are known by hand, and contributions that no model made."""

import numpy as np
import pandas as pd

from xattn_bmd.explanation.record.contributions import Contributions
from xattn_bmd.types import VariableSchema


class KnownReader:
    """Weights for each variable and the picture, one product of two variables, one of a variable and the picture."""

    reads_picture = True

    def __init__(self, *, people=9, variables=4, seed=0):
        rng = np.random.default_rng(seed)
        self.picture = rng.normal(size=people)
        self.record = rng.normal(size=(people, variables))
        self.record[:, -1] = 2.0  # the same in everybody
        self.weights = rng.normal(size=variables)
        self.asked = 0

    def differs(self, own, other):
        return self.record[own] != self.record[other]

    def densities(self, picture, record):
        self.asked += len(picture)
        values = self.record[record, np.arange(record.shape[1])]
        seen = self.picture[picture]
        return 0.9 + 0.3 * seen + values @ self.weights + 0.5 * values[:, 0] * values[:, 1] + 0.2 * seen * values[:, 2]

    def predictions(self, rows):
        return self.densities(rows, np.repeat(rows[:, None], self.record.shape[1], axis=1))

    def expected(self, one, other, seen):
        """Shapley values beside a picture: each pair of variables shares its product's change evenly."""
        mean = 0.5 * (self.record[one] + self.record[other])
        change = self.record[one] - self.record[other]
        slope = self.weights.copy()
        slope[0] += 0.5 * mean[1]
        slope[1] += 0.5 * mean[0]
        slope[2] += 0.2 * self.picture[seen]
        return slope * change


def made_up_contributions(n=30, *, seed=0, **changes):
    """Contributions of ``n`` radiographs of two numeric variables and a categorical one."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.normal(75, 4, n).round(1),
            "weight": np.where(np.arange(n) % 9, rng.normal(70, 12, n).round(1), np.nan),
            "smoking": rng.choice(["never", "former", "current"], n),
        }
    )
    table.loc[1, "smoking"] = None
    image, record = rng.normal(0, 0.05, n), rng.normal(0, [0.01, 0.03, 0.02], (n, 3))
    mean, nothing = np.full(n, 0.88), np.full((n, 3), 0.002)
    prediction = mean + image + record.sum(axis=1)
    values = {
        "model": "xattn",
        "radiograph_ids": tuple(f"hip_{number}" for number in range(n)),
        "patient_ids": tuple(f"p{number // 2}" for number in range(n)),
        "schema": VariableSchema(("age", "weight"), (("smoking", ("never", "former", "current")),)),
        "record_table": table,
        "prediction": prediction,
        "mean": mean,
        "image": image,
        "record": record,
        "given_mean": prediction - record.sum(axis=1),
        "given": record,
        "image_error": np.full(n, 0.004),
        "record_error": nothing,
        "given_error": nothing,
        "people": 32,
        "method": "orders",
    }
    return Contributions(**(values | changes))
