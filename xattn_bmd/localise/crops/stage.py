"""Cropping as a stage of the road: every radiograph becomes its one best box, before anything else looks at it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.config_checks import one_of
from xattn_bmd.data.cache_folder import json_hash
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.masks.match import MaskMatch
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import ConfigError, LocaliseError
from xattn_bmd.localise.boxes.table import raise_problems
from xattn_bmd.localise.crops.best import BestCrop, best_crop
from xattn_bmd.localise.crops.store import CropStore, KeptCrop
from xattn_bmd.localise.localiser import Localiser
from xattn_bmd.localise.problems import OnProblem, tell

RECORD, LOCALISER, FORMAT = "crop.json", "localiser", "xattn-bmd-crop-1"
MARGIN = 0.1

_LOOK = "look at them, and leave them out, or cut boxes drawn by hand with crop_cohort."


@dataclass(frozen=True, eq=False)
class CropStage:
    """Crops every radiograph to the most certain box of one label; ids, record, orientation and spacing stay.

    Attributes:
        localiser: the fitted detector.
        label: kind of box; empty takes the only one that the localiser knows.
        margin: share of the box's width and height that is added on each side, cut at the radiograph's edge.
        on_problem: what happens where several boxes are found in one radiograph: ``"raise"``, or ``"warn"`` to take the
            most certain one.  A radiograph in which none is found is always an error: nobody is left out unasked.

    Raises:
        ConfigError: if a setting is impossible, or the localiser knows several labels and none was chosen.

    Example:
        ``compare(cohort, out="RUN", localiser=CropStage(Localiser.load("femur"), on_problem="warn"))``
    """

    localiser: Localiser
    label: str = ""
    margin: float = MARGIN
    on_problem: OnProblem = "raise"

    def __post_init__(self) -> None:
        one_of("on_problem", self.on_problem, ("raise", "warn"))
        if not 0 <= self.margin <= 2:
            raise ConfigError(f"margin is a share of the box from 0 to 2, but {self.margin} was given; 0.1 is usual.")
        labels = self.localiser.labels
        if not self.label and len(labels) == 1:
            object.__setattr__(self, "label", labels[0])
        if self.label not in labels:
            raise ConfigError(
                f"A radiograph is cropped to one label of its localiser ({', '.join(labels)}), but "
                f"{self.label or 'none'!r} was given; choose one: CropStage(localiser, label={labels[0]!r})."
            )

    @classmethod
    def of(cls, source: Localiser | CropStage | str | Path) -> CropStage:
        """Return a stage from itself, from a localiser, or from the folder of either.

        Raises:
            LocaliseError: if a file is missing, damaged, or of another format.
            ConfigError: as the class.
        """
        if isinstance(source, CropStage):
            return source
        if isinstance(source, Localiser):
            return cls(source)
        return cls.load(source) if (Path(source) / RECORD).is_file() else cls(Localiser.load(source))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that a crop follows from."""
        return json_hash(self.facts)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a run says of it."""
        return {"format": FORMAT, "localiser": self.localiser.digest, "label": self.label, "margin": self.margin}

    def save(self, folder: str | Path) -> None:
        """Write ``crop.json`` and the localiser into a new folder, in one step.

        Raises:
            LocaliseError: if the folder exists or cannot be written.
        """
        target = Path(folder)
        if target.exists():
            raise LocaliseError(f"A crop stage is saved into a new folder, but {target} exists; choose another name.")
        with atomic_folder(target, error=LocaliseError) as partial:
            self.localiser.save(partial / LOCALISER)
            text = json.dumps(self.facts | {"on_problem": self.on_problem}, indent=1) + "\n"
            (partial / RECORD).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> CropStage:
        """Read what :meth:`save` wrote.

        Raises:
            LocaliseError: if a file is missing, damaged, or the localiser is not the one that was saved.
        """
        path = Path(folder) / RECORD
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            found, settings = facts["format"], (facts["label"], facts["margin"], facts["on_problem"])
        except (OSError, ValueError, TypeError, KeyError) as cause:
            raise LocaliseError(f"A crop stage holds a whole {RECORD}, but {path} is none; copy it again.") from cause
        localiser = Localiser.load(Path(folder) / LOCALISER)
        if found != FORMAT or facts["localiser"] != localiser.digest:
            raise LocaliseError(
                f"A crop stage of format {FORMAT!r} lies with the localiser that it was saved with, but {folder} holds "
                "another format or another localiser; copy the whole folder again."
            )
        return cls(localiser, *settings)

    def crop(self, cohort: Cohort, *, cache: Path) -> Cohort:
        """Return the same cohort whose image files are crops, without masks, which are drawn on whole radiographs.

        Crops lie in the cache, by the file's content and the stage's digest: each radiograph is searched once.

        Args:
            cohort: radiographs; those without an image stay without.
            cache: cache folder.

        Raises:
            RadiographError: if files cannot be read; one error lists them all.
            LocaliseError: listing every radiograph in which no box, or several, were found.
            CacheError: if the cache cannot be written.
        """
        kept = self._kept(cohort, cache=cache)
        self._tell(kept)
        paths = {name: one.path for name, one in kept.items() if one.path is not None}
        return replace(cohort, images=replace(cohort.images, paths=paths), masks=MaskMatch())

    def refuse_fitted_on(
        self, cohort: Cohort, *, cache: Path, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Refuse a cohort on which the localiser was fitted, for what is then measured would not hold for new people.

        Args:
            cohort: radiographs that are to be scored.
            cache: cache folder, where the crops stay.
            progress: called with (radiographs searched, radiographs).

        Raises:
            LocaliseError: naming the radiographs.
        """
        pairs = zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)
        known = [name for name, patient in pairs if self.localiser.fitted_on.has_patient(patient)]
        what = "patient" if known else "picture"
        if not known:
            kept = self._kept(cohort, cache=cache, progress=progress)
            known = [name for name, one in kept.items() if self.localiser.fitted_on.has_picture(one.picture)]
        if known:
            raise LocaliseError(
                f"A localiser crops people on whom it was not fitted, but the {what} of {len(known)} radiograph(s) was "
                f"in its fit: {listed(known)}; boxes say nothing of density, but a detector finds the pictures that it "
                "learned from better than new ones: fit it on other people, or cut boxes drawn by hand with "
                "crop_cohort (if another hospital only happens to use the same patient ids, put the site's name before "
                "its own)."
            )

    @contextmanager
    def cropped_file(self, path: Path) -> Iterator[Path]:
        """Yield the crop of one file, for as long as the block lasts; nothing is kept.

        Raises:
            RadiographError: if the file is not one grey-scale radiograph.
            LocaliseError: if no box is found, or several and that is an error.
        """
        found = self._cut(path)
        if found.boxes == 0 or found.flat or self.on_problem == "raise":
            self._tell({path.name: KeptCrop(None, found.boxes, found.flat, found.picture)})
        with tempfile.TemporaryDirectory() as folder:
            crop = Path(folder) / f"crop{found.suffix}"
            crop.write_bytes(found.content)
            yield crop

    def _cut(self, path: Path) -> BestCrop:
        return best_crop(read_radiograph(path), localiser=self.localiser, label=self.label, margin=self.margin)

    def _kept(
        self, cohort: Cohort, *, cache: Path, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, KeptCrop]:
        return CropStore(cache, key=self.digest).open(cohort.image_paths, cut=self._cut, progress=progress)

    def _tell(self, kept: Mapping[str, KeptCrop]) -> None:
        none = [name for name, one in kept.items() if one.boxes == 0]
        flat = [name for name, one in kept.items() if one.flat]
        many = [f"{name} ({one.boxes})" for name, one in kept.items() if one.boxes > 1]
        never = [
            (none, "A radiograph shows a box {label!r}, but in {n} none was found: {names}; " + _LOOK),
            (flat, "A crop shows more than one grey level, but {n} do not: {names}; " + _LOOK),
        ]
        several = (
            "A radiograph shows one box {label!r}, but in {n} several were found: {names}; look at them, or take the "
            "most certain of each with CropStage(localiser, on_problem='warn')."
        )
        messages = [text.format(label=self.label, n=len(names), names=listed(names)) for names, text in never if names]
        of_many = [several.format(label=self.label, n=len(many), names=listed(many))] if many else []
        if messages:
            raise_problems(messages + of_many)
        tell(of_many, on_problem=self.on_problem, what="What was found")
