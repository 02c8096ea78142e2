"""What the CT study simulates and how its networks are trained, set before anything was scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xattn_bmd import CompareConfig, ImageConfig, ModelConfig, SegmenterConfig, TrainingConfig
from xattn_bmd.config_image import AugmentConfig
from xattn_bmd.simulate.ct.presets import CtPresetName

HOME, ELSEWHERE, TRAINING = "home", "elsewhere", "training"
PRESETS: dict[str, CtPresetName] = {HOME: "ct", ELSEWHERE: "ct_external"}
NETWORKS = ("image_only", "concat", "xattn", "metadata_only")
NETWORK, CONCATENATION = NETWORKS[:2]
CALIBRATED, AUGMENTED = "image_only, calibrated voxels", "image_only, HU changed in training"
MEAN_HU, PHANTOM, WITH_RECORD = "mean HU", "phantom QCT", "mean HU + record"
READINGS: dict[str, tuple[str, bool]] = {
    MEAN_HU: ("mean_hu", False),
    PHANTOM: ("density_phantom", False),
    WITH_RECORD: ("mean_hu", True),
}
"""Classical competitors: ridge regression on this column of the measurement, and whether on the record too."""
AS_READ = {"assumed line, nothing fitted": "density_assumed", "phantom, nothing fitted": "density_phantom"}
"""Densities that are scored as measured."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Sizes and settings.

    Attributes:
        home: scans of the training hospital, cross-validated.
        elsewhere: scans of the three other hospitals.
        drawn_from: scans of other people at home.
        drawn: those of them on which the segmenter is trained, evenly spread over density.
        rounds: looks of the segmenter at its validation part, 30 batches each.
        folds: folds at home.
        epochs: most epochs of a network.
        patience: epochs without a better validation loss before a fit stops.
        known: patients of each other scanner that a recalibration is fitted on; they are not scored then.
        seed: of simulation, folds, networks and bootstrap.
    """

    home: int = 120
    elsewhere: int = 96
    drawn_from: int = 96
    drawn: int = 24
    rounds: int = 40
    folds: int = 4
    epochs: int = 40
    patience: int = 40
    known: int = 8
    seed: int = 95000

    field_mm = (90.0, 78.0, 78.0)
    """Slices, rows and columns of the field around L1 and L2."""

    def segmenter(self) -> SegmenterConfig:
        """Return the settings of the segmenter; HU change in training as much as between tube voltages."""
        return SegmenterConfig(
            labels=("body",), spacing_mm=(3.0, 3.0, 3.0), patch=(24, 32, 32), batch_size=4, epochs=self.rounds,
            learning_rate=0.01, shift_hu=50.0, contrast=0.3, overlap=0.25, seed=self.seed,
        )  # fmt: skip

    def config(self, models: tuple[str, ...] = NETWORKS, *, augmented: bool = False) -> CompareConfig:
        """Return the settings that all models share.

        Args:
            models: names of models.
            augmented: whether HU are changed at random in training.
        """
        grey = 0.25 if augmented else 0.0
        return CompareConfig(
            models=models,
            folds=self.folds,
            seed=self.seed,
            image=ImageConfig(slices=21, size=40, spacing_mm=(4.0, 1.8, 1.8), hu_window=(-200.0, 600.0)),
            model=ModelConfig(backbone="densenet_small_3d", width=32),
            training=TrainingConfig(
                beta=15.0, weighting="none", epochs=self.epochs, patience=self.patience, batch_size=8,
                learning_rate=2e-3, augment=AugmentConfig(contrast=grey, gamma=0.0, flip=0.5, rotation=5.0),
                precision="32-true",
            ),
        )  # fmt: skip

    def quick(self) -> Study:
        """Return the whole study for two cores in half an hour: fewer scans and folds, a segmenter trained for less."""
        return replace(self, home=96, elsewhere=72, drawn_from=72, drawn=20, rounds=30, folds=3, known=5)

    def small(self) -> Study:
        """Return a trial of minutes, whose figures mean nothing."""
        return replace(self, home=16, elsewhere=20, drawn_from=8, drawn=6, rounds=2, folds=2, epochs=2, known=2)


SOURCE = {
    ("train", "mae"): 3.15, ("train", "rmse"): 4.127, ("train", "r2"): 0.991, ("train", "pearson_r"): 0.996,
    ("train", "auroc"): 0.999,
    ("test", "mae"): 6.303, ("test", "rmse"): 8.561, ("test", "r2"): 0.962, ("test", "pearson_r"): 0.981,
    ("test", "auroc"): 0.970, ("test", "f1"): 0.903, ("test", "accuracy"): 0.909, ("test", "precision"): 0.899,
    ("test", "sensitivity"): 0.908, ("test", "specificity"): 0.956,
    ("independent", "mae"): 10.257, ("independent", "rmse"): 13.507, ("independent", "r2"): 0.878,
    ("independent", "pearson_r"): 0.940, ("independent", "auroc"): 0.933, ("independent", "f1"): 0.798,
    ("independent", "accuracy"): 0.815, ("independent", "precision"): 0.792, ("independent", "sensitivity"): 0.81,
    ("independent", "specificity"): 0.899,
}  # fmt: skip
"""The source's figures: 1,219 real patients, QCT as reference (703 train, 176 test, 340 independent)."""
