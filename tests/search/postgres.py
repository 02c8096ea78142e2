"""A real PostgreSQL for the length of a test, from Debian's package, on a free port of this machine alone."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

OWNER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""


def free_port() -> int:
    """Return a port of the loopback address that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _program(name: str) -> str:
    found = [*sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True), shutil.which(name)]
    assert found[0], f"this test needs PostgreSQL, but there is no {name}: apt-get install postgresql"
    return found[0]


@contextmanager
def postgres():
    """Yield the URL of an empty database."""
    user = OWNER if os.geteuid() == 0 else getpass.getuser()
    as_user = {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}
    root, port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
    if as_user:
        shutil.chown(root, OWNER, OWNER)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    data, log = str(root / "data"), str(root / "log")

    def run(*command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=root, **as_user)

    try:
        run(_program("initdb"), "-D", data, "-U", user, "-A", "trust", "--no-sync")
        run(_program("pg_ctl"), "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://{user}:unused@127.0.0.1:{port}/postgres"
        finally:
            run(_program("pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(root)
