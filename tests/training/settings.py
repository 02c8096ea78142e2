"""Settings that train a tiny network in a second."""

from dataclasses import replace

from xattn_bmd.config import CompareConfig, ImageConfig, ModelConfig, TrainingConfig

TINY = CompareConfig(
    models=("xattn", "concat", "image_only", "metadata_only", "ridge", "boosted_trees"),
    folds=3,
    image=ImageConfig(size=64),
    model=ModelConfig(backbone="test_resnet", width=16, layers=2, heads=2),
    training=TrainingConfig(epochs=2, patience=2, batch_size=8, accelerator="cpu"),
)


def tiny(**changes):
    """Return the tiny settings with some top-level fields changed."""
    return replace(TINY, **changes)
