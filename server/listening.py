"""The address that is served, taken before anything else is started."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from server.settings import Settings


class ListenError(Exception):
    """The address can't be had; the message is one sentence that says why."""


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Lend a socket that is bound to the address, for the workers to listen on.

    Raises:
        ListenError: The address can't be had.
    """
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = _bound(socket.socket, family, address)
        if settings.workers > 1 and sys.platform == "linux":
            # Bound alone first: a shared address would also be shared with a server that runs.
            sock.close()
            sock = _shared(family, address)
    except OSError as error:
        raise ListenError(
            f"Can't listen on {host} port {port} (AIBRIDGE_HOST, AIBRIDGE_PORT): "
            f"{(error.strerror or str(error)).lower()}."
        ) from None
    with sock:
        sock.set_inheritable(True)
        yield sock


class _SharedAddress(socket.socket):
    """A socket of which a process that gets it has one of its own, bound to the same address.

    Linux then spreads connections over the processes. From a queue that they share, the process
    that wakes first takes nearly all that come at once, and keeps them for as long as they last.
    """

    def __reduce__(self) -> tuple[Callable[..., socket.socket], tuple[Any, ...]]:
        return _shared, (self.family, self.getsockname())


def _shared(family: int, address: Any) -> socket.socket:
    return _bound(_SharedAddress, family, address, socket.SO_REUSEPORT)


def _bound(
    kind: Callable[[int, int], socket.socket], family: int, address: Any, *options: int
) -> socket.socket:
    sock = kind(family, socket.SOCK_STREAM)
    try:
        for option in (socket.SO_REUSEADDR, *options):
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
