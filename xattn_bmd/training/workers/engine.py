"""Work on persistent worker processes: each item at most once, a killed worker's items again, results as they come.

The engine is ``dask.distributed``.  Its messages are pickled: whoever reaches the scheduler's port can run code as the
user, so the port belongs in a private network.  Nothing here imports dask before a cluster is asked for.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from xattn_bmd.errors import RunError
from xattn_bmd.training.workers.checks import package_version, refuse_other_version

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_AGAIN = 5.0  # seconds

_MOST_COPIES = 4
_COPIES: dict[str, Any] = {}
"""What this worker process shares among its items, the oldest first; a scheduler may serve several clients."""

Item = TypeVar("Item")
Shared = TypeVar("Shared")
Result = TypeVar("Result")


class _Package(NamedTuple):
    """What all items share, packed by dask.

    Attributes:
        key: content address, or a name that is used once.
        content: the packed object.
    """

    key: str
    content: bytes


def map_on_workers(
    client: Client,
    function: Callable[[Item, Shared], Result],
    items: Iterable[Item],
    *,
    shared: Shared,
    shared_key: str | None = None,
    key: Callable[[Item], str] | None = None,
    name: Callable[[Item], str] = str,
    ordered: bool = False,
    ahead: int | None = None,
) -> Iterator[tuple[Item, Result]]:
    """Yield every item with the function's result, computed on worker processes.

    What ``shared`` opens and remembers stays with the process: each holds one copy of it for all its items.  It
    travels with every item, for a task that depended on another would be sent where that one's result lies, and a
    worker that joins later would wait in vain.

    Args:
        client: from :func:`~xattn_bmd.training.workers.cluster.open_workers`.
        function: a function of a module, called with an item and ``shared`` on a worker.
        items: what to work on; read as far as ``ahead`` allows, so it may be endless.
        shared: what all items need; unpacked by each process once.
        shared_key: content address of ``shared``; None where no other client shares it.
        key: content address of an item; clients that ask one scheduler for the same key share one computation.
        name: what messages call an item.
        ordered: results in the order of the items; else as they are finished.
        ahead: largest number of items sent and not yet yielded; None sends each worker one at a time, so that the
            item that kills a worker is known.

    Raises:
        XattnBmdError: the same error that the function raised on a worker.
        RunError: if an item kills every worker that tries it, the scheduler is lost, or a worker cannot do the work.
    """
    from distributed.protocol.pickle import dumps

    package = _Package(shared_key or uuid.uuid4().hex, dumps(shared))  # type: ignore[no-untyped-call]
    version = package_version()
    left, sent = iter(items), deque[tuple[Item, "Future[Any]"]]()
    try:
        while True:
            for item in islice(left, max(0, _room(client, ahead) - len(sent))):
                address = None if key is None else key(item)
                sent.append((item, client.submit(_call, function, item, package, version, key=address, pure=False)))
            if not sent:
                return
            for entry in _finished(client, sent, ordered=ordered):
                sent.remove(entry)
                yield entry[0], _outcome(entry[1], name(entry[0]))
    finally:
        client.cancel([future for _, future in sent])  # type: ignore[no-untyped-call]


def _room(client: Client, ahead: int | None) -> int:
    """Return how many items may be on their way: one a worker, or a worker's death would be laid on waiting items."""
    try:
        return ahead or max(1, len(client.nthreads()))  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError):  # the scheduler is lost: what was sent says so
        return 1


def _finished(
    client: Client, sent: deque[tuple[Item, Future[Any]]], *, ordered: bool
) -> list[tuple[Item, Future[Any]]]:
    """Wait for an item, and return the finished ones in the order in which they are to be yielded.

    Returns none after some seconds without any, for more workers may have joined meanwhile.
    """
    from concurrent.futures import CancelledError

    from distributed import wait

    watched = [sent[0]] if ordered else list(sent)
    if all(future.status == "pending" for _, future in watched):
        futures = [future for _, future in watched]
        with client.as_current(), suppress(TimeoutError, CancelledError):
            wait(futures, timeout=_LOOK_AGAIN, return_when="FIRST_COMPLETED")  # type: ignore[no-untyped-call]
    return [entry for entry in watched if entry[1].status != "pending"]


def _call(function: Callable[[Item, Any], Result], item: Item, package: _Package, version: str) -> Result:
    """Run on a worker, which may have joined after the others were checked."""
    refuse_other_version(version)
    return function(item, _unpacked(package))


def _unpacked(package: _Package) -> Any:  # noqa: ANN401
    """Return this process's copy of what is shared."""
    from distributed.protocol.pickle import loads

    if package.key not in _COPIES:
        while len(_COPIES) >= _MOST_COPIES:
            del _COPIES[next(iter(_COPIES))]
        _COPIES[package.key] = loads(package.content)  # type: ignore[no-untyped-call]
    return _COPIES[package.key]


def _outcome(future: Future[Any], name: str) -> Any:  # noqa: ANN401
    """Return the result of a sent item, or raise what went wrong in one sentence."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        return future.result()
    except KilledWorker as cause:
        raise RunError(
            f"A worker must live through its work, but {cause.allowed_failures + 1} workers died at {name}, most "
            "likely for lack of memory; what is finished is kept: start fewer workers or make batch and image smaller, "
            "then run the same command again."
        ) from cause
    except ModuleNotFoundError as cause:
        raise RunError(
            f"Every worker needs xattn_bmd and what it needs, but a worker that joined has no module {cause.name!r}; "
            "what is finished is kept: install the package there or stop that worker, and run the same command again."
        ) from cause
    except (CancelledError, CommClosedError) as cause:
        raise RunError(
            f"Workers are reached through their scheduler, but it was lost before {name} was finished; what is "
            "finished is kept: start the scheduler and run the same command again."
        ) from cause
