"""Where trials are kept: a journal file, a database, or a proxy in front of one."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.errors import ConfigError, RunError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_GRPC = re.compile(r"grpc://(?P<host>[^\s/:]+|\[[^\s\]]+\]):(?P<port>\d{1,5})")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
_SECONDS = 10.0
_TRY_AGAIN = (0.1, 0.3, 1.0)  # seconds
_DRIVERS = "install its driver, for PostgreSQL `pip install 'xattn-bmd[search]'` with postgresql+psycopg://..."


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Say nothing of each trial and of parts of Optuna that are marked experimental within the block."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def shown(storage: str) -> str:
    """Return a storage's address without the name and password in it.

    Example:
        >>> shown("postgresql+psycopg://me:secret@db:5432/studies")
        'postgresql+psycopg://db:5432/studies'
    """
    return _PASSWORD.sub("", storage)


def open_storage(storage: str, *, seconds: float = _SECONDS) -> BaseStorage:
    """Open a storage; a journal file and the tables of a database are made where there are none.

    Args:
        storage: path of a journal file, a database's URL as SQLAlchemy reads it, or ``grpc://HOST:PORT`` of a proxy.
        seconds: how long a proxy may take to answer.

    Raises:
        ConfigError: if the address is malformed or its driver is not installed.
        RunError: if the storage cannot be reached, or another version of Optuna wrote it.
    """
    found = _GRPC.fullmatch(storage)
    if found is not None:
        return _proxy(found["host"].strip("[]"), int(found["port"]), seconds=seconds)
    if "://" in storage:
        return _database(storage)
    return _journal(Path(storage))


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    _refuse_foreign_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    except OSError as cause:
        raise RunError(
            f"A search keeps its trials in a file, but {path} cannot be written ({type(cause).__name__}); choose "
            "another storage."
        ) from cause
    except (AssertionError, ValueError, KeyError, TypeError) as cause:
        raise RunError(
            f"A journal holds the trials of one version of Optuna, but {path} holds lines that this one does not know; "
            "use the version that wrote it, or choose another storage."
        ) from cause


def _refuse_foreign_file(path: Path) -> None:
    """Refuse a file that is no journal before anything is added to it."""
    try:
        if not path.exists() or not path.stat().st_size:
            return
        with path.open("rb") as stream:
            known = "op_code" in json.loads(stream.readline())
    except (OSError, ValueError, TypeError):
        known = False
    if not known:
        raise ConfigError(
            f"The storage of a search is a journal file, a database's URL or grpc://HOST:PORT, but {path} is another "
            "file; for a database of SQLite write sqlite:///PATH."
        )


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        return _with_tables(lambda: RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))
    except (ArgumentError, NoSuchModuleError, ValueError) as cause:
        raise ConfigError(
            f"A database is named by its URL as SQLAlchemy reads it, but {shown(url)} is none; mend it."
        ) from cause
    except ImportError as cause:
        raise ConfigError(f"The database {shown(url)} needs a driver that is not installed; {_DRIVERS}") from cause
    except RuntimeError as cause:
        raise RunError(
            f"A database holds the studies of one version of Optuna, but {shown(url)} has the tables of another one; "
            "run `optuna storage upgrade` on a copy of it, or choose another database."
        ) from cause
    except (SQLAlchemyError, OSError) as cause:
        raise RunError(
            f"The storage of a search must answer, but {shown(url)} does not ({type(cause).__name__}); start it, mend "
            "the address, or check name and password."
        ) from cause


def _with_tables(opened: Callable[[], BaseStorage]) -> BaseStorage:
    """Open a database; of processes that open an empty one at once all try to make its tables, and one can."""
    from sqlalchemy.exc import SQLAlchemyError

    for seconds in _TRY_AGAIN:
        try:
            return opened()
        except SQLAlchemyError:
            time.sleep(seconds)
    return opened()


def _proxy(host: str, port: int, *, seconds: float) -> BaseStorage:
    from optuna.storages import GrpcStorageProxy

    try:
        with quiet_optuna():
            proxy = GrpcStorageProxy(host=host, port=port)
        proxy.wait_server_ready(timeout=seconds)
    except ImportError as cause:
        raise ConfigError(
            f"A proxy at grpc://{host}:{port} needs grpcio, but it is not installed; run `pip install "
            "'xattn-bmd[search]'`."
        ) from cause
    except ConnectionError as cause:
        raise RunError(
            f"The storage of a search must answer, but grpc://{host}:{port} did not within {seconds:g} s; start the "
            "proxy there, or mend the address."
        ) from cause
    return proxy
