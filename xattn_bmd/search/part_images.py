"""The radiographs of a part, read from those of the whole cohort: nothing is decoded, encoded or copied twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from xattn_bmd.config import CompareConfig
from xattn_bmd.data.dataset import CohortImages
from xattn_bmd.search.part import Part
from xattn_bmd.training.study import Study


class PartImages(CohortImages):
    """Some rows of a cohort's radiographs.

    Args:
        whole: the cohort's radiographs.
        rows: rows of the part, in its own order.
    """

    def __init__(self, whole: CohortImages, rows: Sequence[int]) -> None:
        super().__init__(
            whole.pictures, features=whole.features, content_hashes=whole.content_hashes, masks=whole.masks
        )
        self._whole, self._in_whole = whole, torch.tensor(list(rows), dtype=torch.int64)

    def pixels(self, row: Tensor, device: torch.device) -> Tensor:
        """Return ``(B, 1, H, W)`` float32 in 0-1 of some rows of the part."""
        return self._whole.pixels(self._in_whole[row.cpu()], device)

    def maps(self, row: Tensor, view: Tensor, device: torch.device) -> Tensor:
        """Return one stored map ``(B, C, h, w)`` of each row of the part."""
        return self._whole.maps(self._in_whole[row.cpu()], view, device)

    def masked(self, row: Tensor, device: torch.device) -> tuple[Tensor, Tensor] | None:
        """Return masks ``(B, 1, H, W)`` of some rows of the part, and ``(B,)`` who has one; None without any."""
        return self._whole.masked(self._in_whole[row.cpu()], device)


class OpenedImages:
    """Opens the whole cohort's radiographs as a configuration sees them; the last ones stay open.

    Args:
        study: the whole cohort.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._opened: tuple[object, CohortImages] | None = None

    def of(self, config: CompareConfig) -> CohortImages:
        """Return the radiographs that the networks of a configuration see."""
        model, frozen = config.model, config.model.freeze != "none" and config.model.mask_head == "none"
        key = (
            config.image,
            *((model.backbone, model.weights, model.freeze, config.training.augment) if frozen else ()),
        )
        if self._opened is None or self._opened[0] != key:
            self._opened = None
            self._opened = key, replace(self._study, config=config).images
        return self._opened[1]


@dataclass(frozen=True)
class PartStudy(Study):
    """What the fits of a trial share: a part's cohort and folds, and the whole cohort's opened pictures."""

    part: Part | None = None
    opened: OpenedImages | None = None

    @cached_property
    def images(self) -> CohortImages:
        """What the networks see of the part's radiographs."""
        assert self.opened is not None and self.part is not None
        return PartImages(self.opened.of(self.config), self.part.rows)


def part_study(part: Part, study: Study, *, config: CompareConfig, opened: OpenedImages) -> PartStudy:
    """Return the study of a trial.

    Args:
        part: whom it may look at.
        study: the whole cohort.
        config: the trial's settings.
        opened: the whole cohort's radiographs.
    """
    settings = replace(config, folds=part.plan.folds, repeats=1)
    return PartStudy(part.cohort, part.plan, settings, study.cache_folder, part, opened)
