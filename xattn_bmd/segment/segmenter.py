"""The volume segmenter: learns drawn labels, lays them on new volumes, and is kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch

from xattn_bmd.data.plans.split import Split, refuse_leak
from xattn_bmd.data.plans.stratify import draw, group_patients
from xattn_bmd.errors import ConfigError, ModelError, VolumeError
from xattn_bmd.models.network_folder import NetworkFolder
from xattn_bmd.models.place import torch_place
from xattn_bmd.seeds import derive_seed
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.segment.fit import Course, fit_network
from xattn_bmd.segment.network import VBNet
from xattn_bmd.segment.own_grid import labels_on_grid
from xattn_bmd.segment.patches import PatchDraws
from xattn_bmd.segment.pieces import drop_pieces
from xattn_bmd.segment.samples import Sample, see_pairs, see_volume
from xattn_bmd.segment.sweep import sweep
from xattn_bmd.types import LabelMap, Volume

FILES = NetworkFolder("segmenter", "xattn-bmd-segmenter-1", ModelError)
_MM3_PER_ML = 1000.0


@dataclass(frozen=True, eq=False)
class VolumeSegmenter:
    """A fitted network that finds structures in CT volumes.

    Attributes:
        network: the network, in evaluation mode.
        config: settings that it was fitted with.
        history: course of every epoch: ``epoch``, ``loss``, ``seconds``, and ``dice`` of the validation part.
    """

    network: VBNet
    config: SegmenterConfig
    history: tuple[Course, ...]

    @classmethod
    def fit(
        cls,
        volumes: Sequence[Volume],
        labels: Sequence[LabelMap],
        *,
        patients: Sequence[str],
        config: SegmenterConfig | None = None,
        start: VolumeSegmenter | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Course], None] | None = None,
    ) -> VolumeSegmenter:
        """Learn from volumes in which every labelled structure is drawn.

        A part of the patients is held out and chooses the epoch (highest mean Dice).  On one CPU and number of
        threads, the same data and seed give the same segmenter to the last bit.

        Args:
            volumes: training volumes, also memory maps of the cache; each is used once, at the working spacing.
            labels: label map of each volume, on its voxels, naming the labels of the configuration.  A map without
                names will do for a configuration of one label: it is everything above 0.
            patients: patient of each volume.
            config: settings; None takes the default ones.
            start: a fitted segmenter whose weights are the first ones, to go on with a few scans of one's own; labels,
                spacing, window and network must be the same.  Nothing checks that its patients are others.
            device: where to train, as torch names it: ``"cpu"``, ``"cuda"``.
            on_epoch: called with each epoch's course as it ends.

        Raises:
            VolumeError: naming a volume that is not in HU, too small, or whose labels are empty, lie on another grid
                or name other structures; or a label that no volume shows.
            FoldPlanError: if one scan is filed under two patients and would be on both sides.
            ConfigError: if the device is not there, one patient only is given while a part is to be held out, or
                ``start`` has other settings.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> truth = np.zeros((8, 16, 16), dtype=np.uint16)
            >>> truth[2:6, 4:12, 4:12] = 1
            >>> grid = dict(spacing_mm=(3.0, 2.0, 2.0), affine=np.diag([3.0, 2.0, 2.0, 1.0]), steps=())
            >>> hu = np.where(truth, 300, -50) + rng.normal(0, 20, truth.shape)
            >>> scan = Volume(hu.astype(np.float32), **grid)
            >>> config = SegmenterConfig(patch=(8, 16, 16), epochs=2, steps=40, batch_size=1, validation_fraction=0)
            >>> fitted = VolumeSegmenter.fit([scan], [LabelMap(truth, {}, **grid)], patients=["A"], config=config)
            >>> fitted.segment(scan).names
            {'vertebra': 1}
        """
        config = config or SegmenterConfig()
        place = torch_place(device)
        if start is not None:
            config.require_same_network(start.config)
        if len(patients) != len(volumes):
            raise ConfigError(
                f"Each volume has a patient, but {len(volumes)} volumes and {len(patients)} patients were given; give "
                "the patient of each volume, in order."
            )
        samples = see_pairs(volumes, labels, config=config)
        training, validation = _parts(samples, patients, config=config)
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(config.seed, "segmenter"))
            network = blank_network(config)
        if start is not None:
            network.load_state_dict(start.network.state_dict())
        rng = np.random.default_rng(derive_seed(config.seed, "segmenter patches"))
        draws = PatchDraws(training, config=config, rng=rng)
        history = fit_network(network, draws, config=config, validation=validation, device=place, on_epoch=on_epoch)
        return cls(network.cpu(), config, tuple(history))

    def segment(self, volume: Volume, *, device: str = "cpu") -> LabelMap:
        """Find the labels in a volume.

        The volume is swept at the working spacing, a slab at a time; the probabilities are interpolated onto its own
        voxels, each of which gets the most probable label; then pieces are dropped by the rules of the configuration.

        Args:
            volume: in HU, of any spacing, also a memory map.
            device: where to run, as torch names it.

        Returns:
            labels on the volume's own voxels, numbered from 1 in the order of ``config.labels``.

        Raises:
            VolumeError: if the volume is not in HU or too small, or nothing is found in it.
            ConfigError: if the device is not there.
        """
        config, place = self.config, torch_place(device)
        seen = see_volume(volume, config=config, name="the volume")
        shape, small = volume.voxels.shape, seen.voxels.shape
        labels = labels_on_grid(
            sweep(self.network.to(place), seen.voxels, config=config, device=place),
            seen=(small[0], small[1], small[2]),
            seen_mm=config.spacing_mm,
            shape=(shape[0], shape[1], shape[2]),
            spacing_mm=volume.spacing_mm,
        )
        self.network.cpu()
        smallest = config.smallest_ml * _MM3_PER_ML / prod(volume.spacing_mm)
        dropped = drop_pieces(labels, keep=config.keep, smallest=smallest)
        if not labels.any():
            raise VolumeError(
                f"A volume to be segmented shows what is to be found ({', '.join(config.labels)}), but none of "
                f"{config.smallest_ml:g} ml or more was found ({dropped} smaller pieces); check that the field shows "
                "it and that the scan is like those of the fit."
            )
        spacing = " x ".join(f"{side:.4g}" for side in config.spacing_mm)
        return LabelMap(
            labels=labels,
            names={name: place for place, name in enumerate(config.labels, start=1)},
            spacing_mm=volume.spacing_mm,
            affine=volume.affine,
            steps=(*volume.steps, f"segmented by a VB-Net at {spacing} mm", f"{dropped} pieces dropped"),
        )

    def save(self, folder: str | Path) -> None:
        """Write the segmenter as ``network.safetensors`` and ``segmenter.json`` into a new folder, in one step.

        Raises:
            ModelError: if the folder exists or cannot be written.
        """
        values = {"config": self.config.to_dict(), "history": [dict(course) for course in self.history]}
        FILES.save(Path(folder), values, self.network.state_dict())

    @classmethod
    def open(cls, folder: str | Path) -> VolumeSegmenter:
        """Read what :meth:`save` wrote; nothing is unpickled.

        Raises:
            ModelError: if a file is missing, damaged, of another format, or does not fit the other.
        """
        values, state = FILES.load(Path(folder))
        config = SegmenterConfig.from_dict(values.get("config", {}))
        network = blank_network(config)
        try:
            network.load_state_dict(state)
        except RuntimeError as cause:
            raise ModelError(
                f"The weights of a segmenter fit its settings, but those in {folder} do not; copy both files again."
            ) from cause
        return cls(network.eval(), config, tuple(values.get("history", ())))


def blank_network(config: SegmenterConfig) -> VBNet:
    """Return an untrained network; the global generator of torch draws its weights."""
    network = VBNet(classes=config.classes, width=config.width, levels=config.levels, bottleneck=config.bottleneck)
    return network.to(memory_format=torch.channels_last_3d)  # twice as fast on a CPU


def _parts(
    samples: Sequence[Sample], patients: Sequence[str], *, config: SegmenterConfig
) -> tuple[list[Sample], list[Sample]]:
    """Return training and validation volumes; whole patients, alike in the number of volumes."""
    if not config.validation_fraction:
        return list(samples), []
    size = [float(np.count_nonzero(sample.classes)) for sample in samples]
    grouped = group_patients(list(patients), target=size, strata=[""] * len(samples))
    if len(grouped) < 2:
        raise ConfigError(
            "A segmenter holds patients out to choose its epoch, but there is one patient only; give two or more, or "
            "set validation_fraction to 0, which keeps the last epoch."
        )
    rng = np.random.default_rng(derive_seed(config.seed, "segmenter validation"))
    chosen = {grouped.names[row] for row in draw(grouped, fraction=config.validation_fraction, bins=None, rng=rng)}
    rows = [str(row) for row in range(len(samples))]
    split = Split(
        train=tuple(row for row in rows if patients[int(row)] not in chosen),
        validation=tuple(row for row in rows if patients[int(row)] in chosen),
        test=(),
    )
    contents = {row: sample.content for row, sample in zip(rows, samples, strict=True)}
    refuse_leak(split, contents, shared="scan", place="this fit")
    return [samples[int(row)] for row in split.train], [samples[int(row)] for row in split.validation]
