"""The real program, as a person or an orchestrator runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

import httpx
import pytest

ROOT = Path(__file__).parents[2]

# Long, for machines that do ten things at once; nothing waits that long when all is well.
_PATIENCE = 60.0


@dataclass
class Finished:
    """What a command that ended left behind."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Server:
    """A server that runs."""

    process: subprocess.Popen[str]
    address: str
    log: IO[str]

    def get(self, path: str) -> httpx.Response:
        """Ask the server."""
        return httpx.get(f"{self.address}{path}", timeout=_PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal to the whole group, as a terminal does, and return the exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(_PATIENCE)

    def logged(self) -> str:
        """Return what the server has written to stderr."""
        self.log.seek(0)
        return self.log.read()


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data folder that the tests of a module share; root's PostgreSQL user can reach it."""
    with TemporaryDirectory(prefix="aibridge-system-") as folder:
        yield Path(folder)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings alone."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIBRIDGE_")}
    return inherited | {f"AIBRIDGE_{name.upper()}": value for name, value in settings.items()}


def run(*arguments: str, **settings: str) -> Finished:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@contextmanager
def serving(*arguments: str, command: str = "serve", **settings: str) -> Iterator[Server]:
    """Run a server on a free port; what is left of it at the block's end is killed."""
    with TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", command, "--port", "0", *arguments],
            cwd=ROOT,
            env=environment(settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            yield Server(process, _address(process, log), log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def wait_for(server: Server, path: str, status: int, seconds: float = _PATIENCE) -> httpx.Response:
    """Ask until the answer has this status."""
    deadline = time.monotonic() + seconds
    while True:
        response = server.get(path)
        if response.status_code == status:
            return response
        assert time.monotonic() < deadline, f"{path} is still {response.status_code}"
        time.sleep(0.1)


def _address(process: subprocess.Popen[str], log: IO[str]) -> str:
    assert process.stdout is not None
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if not line.startswith("Ready on "):
        log.seek(0)
        raise AssertionError(f"not ready but {line!r}: {log.read()}")
    return line.removeprefix("Ready on ").strip()
