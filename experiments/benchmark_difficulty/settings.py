"""What is simulated and trained, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xattn_bmd import simulate_cohort
from xattn_bmd.simulate.person import Hip, Scale
from xattn_bmd.simulate.presets import PresetName
from xattn_bmd.simulate.subjects import draw_hips


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The sizes of a measurement.

    Attributes:
        n: radiographs that models are developed on, and that the ridge rows are scored on out of fold.
        tested: radiographs of other people of the same hospitals.
        external: radiographs of each external hospital.
        repeated: hips that are radiographed again.
        repeats: radiographs of each of these.
        seed: of the development cohort; the others follow it.
        size: rows and columns of the simulated pictures.
        pixels: rows and columns that the network sees.
        epochs: of training.
        draws: of patients, for the intervals.
        work: folder of cohorts, decoded pictures and weights.
        workers: processes.
        subjects: table of real people for further rows, or None.
        scale: DXA device of that table, or None.
    """

    n: int
    tested: int
    external: int
    repeated: int
    repeats: int
    seed: int
    size: int
    pixels: int
    epochs: int
    draws: int
    work: Path
    workers: int
    subjects: Path | None
    scale: Scale | None

    @property
    def development(self) -> People:
        """Who the models are developed on."""
        return People(preset="screening", n=self.n, seed=self.seed)

    @property
    def others(self) -> People:
        """Other people of the same hospitals."""
        return People(preset="screening", n=self.tested, seed=self.seed + 1)

    @property
    def visits(self) -> People:
        """Other people, each hip radiographed several times."""
        return People(preset="screening", n=self.repeated, seed=self.seed + 2, repeats=self.repeats)

    @property
    def strangers(self) -> tuple[People, ...]:
        """People of hospitals that the development cohort does not contain."""
        return (
            People(preset="external_c", n=self.external, seed=self.seed + 3),
            People(preset="external_d", n=self.external, seed=self.seed + 4),
        )


@dataclass(frozen=True, kw_only=True)
class People:
    """One simulated cohort."""

    preset: PresetName
    n: int
    seed: int
    repeats: int = 1

    def hips(self) -> tuple[Hip, ...]:
        """Return the people without their pictures."""
        return draw_hips(n=self.n, preset=self.preset, seed=self.seed)

    def table(self, settings: Settings) -> Path:
        """Return the table of the simulated cohort; makes what is missing of it, and continues after a kill."""
        name = f"{self.preset}_{self.n}x{self.repeats}_{settings.size}px_seed{self.seed}"
        made = {"n": self.n, "preset": self.preset, "seed": self.seed, "repeats": self.repeats, "size": settings.size}
        return simulate_cohort(settings.work / name, **made, workers=settings.workers, progress=Said(name))


@dataclass(frozen=True)
class Said:
    """Prints how far a simulation is, every 500 radiographs."""

    name: str

    def __call__(self, done: int, total: int) -> None:
        """Print it."""
        if done % 500 == 0 or done == total:
            print(f"  {self.name}: {done} of {total} radiographs", flush=True)
