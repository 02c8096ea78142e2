"""What the fracture study simulates and how its networks are trained: set before any of them was scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xattn_bmd import ENSEMBLE_MEMBERS, CompareConfig, ImageConfig, LocaliserConfig, ModelConfig, TrainingConfig
from xattn_bmd.config import Preset

CLASSES = ("normal", "old", "fresh")
TARGET = "condition"
POSITIVE = "fresh"

MEMBERS = ENSEMBLE_MEMBERS
"""Members of the ensemble: the source's three (``paper``), and three small ones for two cores (``quick``)."""

WEIGHTS = {"quick": "pretrained", "paper": "none"}
"""First weights of the trunks: of ImageNet where a package carries them."""

VOTES = ("soft vote", "hard vote")
RECORD, FUSED = "metadata_only", ("concat", "xattn")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Sizes and settings.

    Attributes:
        patients: at home, one radiograph each.
        external: of the other institution.
        found_by: other people of the home institution, on whom the detector is trained.
        picture: side of the simulated pictures, pixels.
        size: side of what the networks see of a vertebra, pixels.
        folds: of one repeat; a patient's vertebrae are in one.
        epochs: most epochs of a fit.
        patience: epochs without a better validation loss before a fit stops.
        explained: vertebrae whose heat is judged.
        seed: of simulation, folds and networks.
        backbones: key of :data:`MEMBERS`.
    """

    patients: int = 160
    external: int = 100
    found_by: int = 60
    picture: int = 640
    size: int = 64
    folds: int = 3
    epochs: int = 6
    patience: int = 6
    explained: int = 600
    seed: int = 90000
    backbones: Preset = "quick"

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the ensemble's members."""
        return MEMBERS[self.backbones]

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the models that read the record too, on the first member's trunk."""
        return tuple(self.members[0].replace("image_only", fusion) for fusion in FUSED)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that is fitted."""
        return (*self.members, *self.fused, RECORD)

    def config(self) -> CompareConfig:
        """Return the settings that all models share."""
        return CompareConfig(
            models=self.models,
            folds=self.folds,
            seed=self.seed,
            image=ImageConfig(size=self.size, crop="none"),
            model=ModelConfig(weights=WEIGHTS[self.backbones], head="classes", width=64),
            training=TrainingConfig(
                loss="cross_entropy", weighting="none", epochs=self.epochs, patience=self.patience,
                learning_rate=1e-3, batch_size=16, precision="32-true",
            ),
        )  # fmt: skip

    def localiser(self) -> LocaliserConfig:
        """Return the settings of the detector."""
        return LocaliserConfig(size=384, epochs=12, flip=0.0, seed=self.seed)

    def small(self) -> Study:
        """Return a trial of minutes, whose figures mean nothing."""
        return replace(self, patients=24, external=10, found_by=10, folds=2, epochs=1, explained=30)


SOURCE = {
    ("test", "map50"): 0.982,
    ("test", "map50_95"): 0.835,
    ("internal", "accuracy"): 0.894,
    ("internal", "sensitivity"): 0.836,
    ("internal", "specificity"): 0.920,
    ("internal", "auroc"): 0.912,
    ("external", "accuracy"): 0.867,
    ("external", "sensitivity"): 0.674,
    ("external", "specificity"): 0.866,
    ("external", "auroc"): 0.855,
}
"""Figures of the source's thesis (real patients); its paper gives 0.84, 0.76 and 0.89 for the external institution."""
SOURCE_KAPPA = {"two readers": 0.801, "reader 1 twice": 0.821, "reader 2 twice": 0.861}
