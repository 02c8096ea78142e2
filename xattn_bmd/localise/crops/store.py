"""Crops in the cache: each radiograph is searched once for a stage, whatever its id or place.

Layout of the cache folder::

    crops/STAGE/DIGEST.json         what was found in the file with that SHA-256
    crops/STAGE/DIGEST.png, .dcm    the crop
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from xattn_bmd.atomic import atomic_write
from xattn_bmd.data.cache_folder import make_private
from xattn_bmd.data.pictures.file_digest import FileDigests
from xattn_bmd.errors import CacheError, RadiographError
from xattn_bmd.localise.crops.best import BestCrop


class KeptCrop(NamedTuple):
    """What the cache says of a radiograph.

    Attributes:
        path: the crop's file; None where there is none.
        boxes: number of boxes found.
        flat: whether the best one shows a single grey level.
        picture: content hash of the whole radiograph.
    """

    path: Path | None
    boxes: int
    flat: bool
    picture: str


class CropStore:
    """The crops of one stage.

    Args:
        cache: cache folder.
        key: digest of the stage.

    Raises:
        CacheError: if the folder cannot be made.
    """

    def __init__(self, cache: Path, *, key: str) -> None:
        make_private(cache)
        self.cache, self.folder = cache, cache / "crops" / key[:32]

    def open(
        self,
        paths: Mapping[str, Path],
        *,
        cut: Callable[[Path], BestCrop],
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, KeptCrop]:
        """Return the crop of every file, cutting those that the cache does not hold.

        Args:
            paths: image file of each radiograph id.
            cut: cuts one file.
            progress: called with (files done, files).

        Raises:
            RadiographError: if files cannot be read; one error lists them all.
            CacheError: if the cache cannot be written.
        """
        digests = FileDigests(self.cache)
        kept, reasons = {}, []
        for done, (name, path) in enumerate(paths.items(), start=1):
            try:
                digest = digests.digest(path)
                kept[name] = self._read(digest) or self._write(digest, cut(path))
            except (OSError, RadiographError) as cause:
                reasons.append(f"\n- {name}: {cause}")
            if progress is not None:
                progress(done, len(paths))
        digests.save()
        if reasons:
            raise RadiographError(
                f"Every radiograph of the table must be readable, but {len(reasons)} of {len(paths)} are not; mend or "
                f"remove them:{''.join(reasons)}"
            )
        return kept

    def _read(self, digest: str) -> KeptCrop | None:
        try:
            found = json.loads((self.folder / f"{digest}.json").read_text())
            path = self.folder / f"{digest}{found['suffix']}" if found["suffix"] else None
            kept = KeptCrop(path, found["boxes"], found["flat"], found["picture"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return kept if path is None or path.is_file() else None

    def _write(self, digest: str, crop: BestCrop) -> KeptCrop:
        path = self.folder / f"{digest}{crop.suffix}" if crop.suffix else None
        if path is not None:
            atomic_write(path, crop.content, error=CacheError)
        facts = {"boxes": crop.boxes, "flat": crop.flat, "picture": crop.picture, "suffix": crop.suffix}
        atomic_write(self.folder / f"{digest}.json", json.dumps(facts), error=CacheError)
        return KeptCrop(path, crop.boxes, crop.flat, crop.picture)
