"""Storages: a journal, SQLite, a real PostgreSQL, and a proxy in front of it; and each way in which one can fail."""

import subprocess
import sys
import threading
from contextlib import contextmanager

import optuna
import pytest
import sqlalchemy

from tests.search.postgres import free_port, postgres
from tests.search.test_ledger import counted_once, kill_one, ledger_of, run_one
from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.search.storage import open_storage, quiet_optuna, shown
from xattn_bmd.search.studies import open_study

OF = {"cohort": "a" * 64, "space": "b" * 64, "seed": "0"}


def study_in(storage, **changes):
    return open_study(storage, name="s", objectives=("mae",), prune=True, fingerprint=OF | changes)


@contextmanager
def proxy(url):
    """Yield the address of a proxy in front of a database, served by another process."""
    port = free_port()
    code = (
        "import sys; from optuna.storages import get_storage, run_grpc_proxy_server as run; "
        "run(get_storage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
    )
    server = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, url, str(port)], stderr=subprocess.DEVNULL)
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def database():
    """The URL of a running PostgreSQL."""
    with postgres() as url:
        yield url


@pytest.fixture(params=["journal", "sqlite", "postgresql", "grpc"])
def storage(request, tmp_path):
    """The address of each kind of storage."""
    if request.param == "journal":
        yield str(tmp_path / "new" / "study.journal")
    elif request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/study.db"
    else:
        url = request.getfixturevalue("database")
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("drop schema public cascade; create schema public"))
        engine.dispose()
        if request.param == "postgresql":
            yield url
        else:
            with proxy(url) as address:
                open_storage(address, seconds=60)
                yield address


def test_a_study_is_shared_continued_and_refused_in_every_storage(storage):
    first = study_in(storage)
    run_one(ledger_of(first))
    died, left = kill_one(ledger_of(first))
    second = study_in(storage)  # as another process opens it
    ledger = ledger_of(second, living=())
    while run_one(ledger) is not None:
        pass
    counted = counted_once(second, 4)
    assert counted[1].user_attrs["copy_of"] == died and counted[1].user_attrs["fold_00"] == {"key": "k"}
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    with pytest.raises(ConfigError, match=r"another space \(bbbbbbbbbbbbbbbb\.\.\. there, other now\)"):
        study_in(storage, space="other")
    left.__exit__(None, None, None)


def test_processes_that_open_a_storage_at_once_make_one_study(storage):
    opened, failed = [], []

    def open_one():
        try:
            opened.append(study_in(storage).study_name)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == ["s"] * 3 and not failed
    assert len(optuna.get_all_study_names(open_storage(storage))) == 1


def test_a_study_of_another_program_is_left_alone(tmp_path):
    storage = open_storage(str(tmp_path / "j"))
    with quiet_optuna():
        study = optuna.create_study(storage=storage, study_name="s")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(ConfigError, match="made by another program"):
        study_in(storage)


def test_an_address_is_shown_without_its_password():
    assert shown("postgresql://me:p%40ss@db:1/x") == "postgresql://db:1/x"
    assert shown("folder/study.journal") == "folder/study.journal"


def refused(storage, kind, *said):
    with pytest.raises(kind) as error:
        open_storage(str(storage), seconds=0.5)
    assert all(word in str(error.value) for word in said) and "secret" not in str(error.value)


def test_unreachable_storages_are_refused_in_one_sentence(tmp_path):
    port = free_port()
    refused(f"postgresql+psycopg://me:secret@127.0.0.1:{port}/x", RunError, "must answer", f"127.0.0.1:{port}")
    refused(f"grpc://127.0.0.1:{port}", RunError, "did not within 0.5 s")
    refused("mysql+pymysql://me:secret@127.0.0.1/x", ConfigError, "driver that is not installed")
    refused("postgresql+nothing://me:secret@127.0.0.1/x", ConfigError, "as SQLAlchemy reads it")
    refused("grpc://no port", ConfigError, "as SQLAlchemy reads it")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file" / "study.journal", RunError, "cannot be written")


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path):
    database = tmp_path / "study.db"
    optuna.storages.RDBStorage(f"sqlite:///{database}").engine.dispose()
    before = database.read_bytes()
    refused(database, ConfigError, "sqlite:///PATH")
    assert database.read_bytes() == before


def test_storages_of_another_version_of_optuna_are_refused(tmp_path):
    journal = tmp_path / "study.journal"
    study_in(str(journal))
    with journal.open("a") as stream:
        stream.write('{"op_code": 99, "worker_id": "later"}\n')
    refused(journal, RunError, "one version of Optuna", "use the version that wrote it")
    url = f"sqlite:///{tmp_path}/study.db"
    engine = optuna.storages.RDBStorage(url).engine
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("update alembic_version set version_num = 'v99.0.0.a'"))
        connection.execute(sqlalchemy.text("update version_info set schema_version = 99"))
    engine.dispose()
    refused(url, RunError, "another one", "optuna storage upgrade")
