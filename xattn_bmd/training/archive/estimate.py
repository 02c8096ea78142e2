"""Estimates for a list of radiographs of any length: one pass, flat memory, continued where it was killed.

A block of rows is the unit of work: its pictures are read, go through the networks, and become lines of text, all in
one thread (or one worker process), so that at most as many pictures as threads times rows of a block exist at a time.
Nothing is cached on disk.  Each thread computes with one thread: a block gives the same bytes in any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch

from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import CohortError
from xattn_bmd.training.archive.blocks import BlockWork, ReadPicture, estimate_block, read_one
from xattn_bmd.training.archive.file import ArchiveFile, BlockText, problems_path
from xattn_bmd.training.archive.rows import Block, FolderList, RadiographList, blocks_of
from xattn_bmd.training.archive.table import TableList
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.in_threads import AHEAD, in_threads
from xattn_bmd.training.prediction.digest import predictor_digest
from xattn_bmd.training.prediction.predictor import Predictor
from xattn_bmd.training.threads import compute_threads

BLOCK = 32
"""Rows of a block, and radiographs of a batch: as in :func:`~xattn_bmd.data.dataset.row_blocks`."""

_REMOTE_AHEAD = 64  # blocks sent to a scheduler, whose number of workers may change


@dataclass(frozen=True)
class Archive:
    """A finished list.

    Attributes:
        table: the CSV file with the estimates.
        estimated: its rows.
        problems: radiographs that could not be estimated.
        problems_table: the CSV file that lists them with the reason; None where there are none.
    """

    table: Path
    estimated: int
    problems: int
    problems_table: Path | None


def estimate_archive(
    predictor: Predictor,
    source: RadiographList,
    *,
    out: Path,
    level: float,
    workers: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    block: int = BLOCK,
    read: ReadPicture = read_one,
    progress: Callable[[int, int], None] | None = None,
) -> Archive:
    """Estimate every radiograph of a list; see ``Predictor.predict_archive``.

    Args:
        predictor: the fitted folds.
        source: the list.
        out: CSV file to write.
        level: wanted coverage of the intervals.
        workers: processes on this machine; 1 works in threads of this one.
        scheduler: address of a dask scheduler, in place of that.
        threads: threads of this process; None takes the CPU cores, at most 8.
        block: rows of a block.
        read: how a file becomes a picture; a function of a module where workers are used.
        progress: called with (rows done, rows).

    Raises:
        CohortError: if not one radiograph could be estimated; the reasons are listed.
        RunError: if the unfinished table beside ``out`` belongs to another command, or the disk is full.
    """
    work = BlockWork(predictor.folder.absolute(), predictor_digest(predictor), source.roles, level, read)
    work.__dict__["predictor"] = predictor
    file = ArchiveFile(out, identity=_identity(predictor, source, work, block=block))
    blocks = blocks_of(source, size=block, skip=file.done)
    try:
        with closing(_estimated(blocks, work, workers, scheduler, threads or default_workers())) as finished:
            for number, text in enumerate(finished, start=file.done + 1):
                file.append(text)
                if progress is not None:
                    progress(min(number * block, source.total), source.total)
    except BaseException:
        file.discard_empty()
        raise
    estimated, problems = file.finish(",".join(predictor.estimate_columns) + "\n")
    listed = problems_path(out) if problems else None
    if not estimated:
        raise CohortError(
            f"Some of a list's radiographs can be estimated, but none of these {problems} could; their reasons are in "
            f"{listed}: mend the list or its folder."
        )
    return Archive(out, estimated, problems, listed)


def open_list(
    predictor: Predictor,
    source: str | Path,
    *,
    images: str | Path | None,
    config: str | Path | CohortRoles | None,
) -> RadiographList:
    """Return the rows of a table or of a plain folder.

    Args:
        predictor: says what is needed of each row.
        source: the table, or the folder.
        images: folder of a table's image files.
        config: roles of a table's columns.

    Raises:
        CohortError: if it cannot be read, or the model needs a record and a folder was given.
    """
    path = Path(source)
    if not path.is_dir():
        table = TableList.open(
            path,
            images=images,
            config=config,
            needs_images=predictor.uses_images,
            may_lack=predictor.needs.no_image,
        )
        predictor.check_variables(table.roles)
        return table
    needs = predictor.needs
    if not needs.image or (needs.record and not needs.no_record):
        raise CohortError(
            f"A plain folder has no clinical record, but the model {predictor.model!r} needs one; give a table (CSV) "
            "with images=FOLDER, or use a predictor of image_only, or one trained with model.record_dropout above 0."
        )
    if images is not None or config is not None:
        raise CohortError(
            f"images and config belong to a table, but {path} is a folder of radiographs; leave them out."
        )
    return FolderList(path, predictor.roles.numeric, predictor.roles.categorical)


def _identity(predictor: Predictor, source: RadiographList, work: BlockWork, *, block: int) -> dict[str, str]:
    """Return all that decides the bytes of the finished table, in the words of the message that refuses another."""
    return {
        "predictor": work.digest,
        **source.identity(),
        "level": repr(work.level),
        "block size": str(block),
        "kind of device": torch_device("auto").type,
        "version of torch": torch.__version__,
    }


def _estimated(
    blocks: Iterator[Block], work: BlockWork, workers: int, scheduler: str | None, threads: int
) -> Generator[BlockText, None, None]:
    from xattn_bmd.training.workers.cluster import check_worker_request

    check_worker_request(workers=workers, scheduler=scheduler)
    if workers == 1 and scheduler is None:
        yield from in_threads(lambda block: estimate_block(block, work), blocks, threads=threads)
        return
    first = next(blocks, None)
    if first is None:
        return
    yield from _on_workers(chain([first], blocks), work, workers, scheduler)


def _on_workers(blocks: Iterator[Block], work: BlockWork, workers: int, scheduler: str | None) -> Iterator[BlockText]:
    from xattn_bmd.training.workers.cluster import open_workers
    from xattn_bmd.training.workers.engine import map_on_workers

    with open_workers(workers=workers, scheduler=scheduler) as client:
        ahead = AHEAD * workers if scheduler is None else _REMOTE_AHEAD
        results = map_on_workers(
            client,
            _block_on_worker,
            blocks,
            shared=work,
            ordered=True,
            ahead=ahead,
            name=lambda block: f"rows of block {block.number + 1}",
        )
        for _, text in results:
            yield text


def _block_on_worker(block: Block, work: BlockWork) -> BlockText:
    with compute_threads(1):
        return estimate_block(block, work)
