"""What each study simulates and how its networks are trained: one budget for both twins, set before any was scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xattn_bmd import CompareConfig, ImageConfig, ModelConfig, TrainingConfig
from xattn_bmd.simulate.presets import PresetName

MODELS = ("image_only", "xattn")
"""The source's model, which sees the picture alone, and the optional third arm, which reads the record too."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One bench.

    Attributes:
        name: in file names and tables.
        preset: population at home.
        external: population of the other institution; empty for none.
        masks: what the heads learn from, relative to the cohort's folder.
        regions: folder of masks that heat is judged by, relative to the same.
        region: the region of interest in it; empty where heat is not judged.
        methods: heat methods.
        n: radiographs at home.
        external_n: radiographs of the other institution.
        explained: radiographs whose heat is judged.
        picture: side of the simulated pictures, pixels.
        pixels: side of what the networks see.
        folds: folds of one repeat.
        epochs: most epochs of a fit.
        patience: epochs without a better validation loss of the density before a fit stops.
        seed: of simulation, folds and networks; the next draw takes the next one.
    """

    name: str
    preset: PresetName
    masks: str
    regions: str
    region: str
    n: int
    folds: int
    pixels: int
    epochs: int
    patience: int
    seed: int
    external: PresetName | None = None
    external_n: int = 0
    methods: tuple[str, ...] = ("hirescam", "grad_cam")
    explained: int = 300
    picture: int = 256

    def config(self, model: str, seed: int) -> CompareConfig:
        """Return the settings that both twins of a model share."""
        return CompareConfig(
            models=(model,),
            folds=self.folds,
            seed=seed,
            image=ImageConfig(size=self.pixels),
            model=ModelConfig(backbone="tf_efficientnet_lite0", weights="pretrained", width=64, mask_width=8),
            training=TrainingConfig(
                epochs=self.epochs, patience=self.patience, learning_rate=1e-3, batch_size=16, precision="32-true"
            ),
        )

    def small(self) -> Study:
        """Return a trial of minutes."""
        sizes = {"n": 40, "folds": 2, "pixels": 64, "picture": 128, "epochs": 2, "explained": 8}
        return replace(self, **sizes, external_n=20 if self.external else 0)


STUDIES = {
    "chest": Study(
        name="chest", preset="chest", external="chest_external", masks="masks/clavicle", regions="masks",
        region="clavicle", n=800, external_n=400, folds=4, pixels=128, epochs=8, patience=8, seed=80000,
    ),
    "hip": Study(
        name="hip", preset="hcs", masks="truth/neck", regions="truth", region="neck", n=233, folds=5, pixels=128,
        epochs=15, patience=15, seed=81000, explained=233,
    ),
}  # fmt: skip
