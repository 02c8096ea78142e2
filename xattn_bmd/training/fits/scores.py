"""What is logged beside the loss: the error of a density, or the share of classes called rightly."""

from __future__ import annotations

from torch import Tensor

from xattn_bmd.models.network import Output


def score(predicted: Output, target: Tensor) -> tuple[str, Tensor]:
    """Return the name and the mean over a batch: ``mae`` in g/cm², or ``accuracy``.

    Args:
        predicted: of ``B`` patients.
        target: ``(B,)`` density in g/cm², or place of the class.

    Example:
        >>> import torch
        >>> chances = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
        >>> nan = torch.full((2,), torch.nan)
        >>> score(Output(nan, None, log_probabilities=chances.log()), torch.tensor([0.0, 1.0]))
        ('accuracy', tensor(0.5000))
    """
    if predicted.log_probabilities is None:
        return "mae", (predicted.density - target).abs().mean()
    return "accuracy", (predicted.log_probabilities.argmax(dim=-1) == target).float().mean()


def answer(predicted: Output) -> Tensor:
    """Return what is predicted: ``(B,)`` density in g/cm², or ``(B, K)`` probabilities of classes."""
    return predicted.density if predicted.log_probabilities is None else predicted.log_probabilities.exp()
