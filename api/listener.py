"""The socket that the server listens on: taken before anything else is opened, so that a clash changes nothing."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stonelog.filestore import InvalidSetting

from .guard import is_loopback

__all__ = ["Listener", "listen", "listen_unix"]

BACKLOG: Final = 2048


@dataclass(frozen=True)
class Listener:
    """A listening socket, and its address as people write it."""

    socket: socket.socket
    address: str


@contextmanager
def listen(host: str, port: int) -> Iterator[Listener]:
    """Inside the block a TCP socket listens on this loopback address; port 0 takes any free one.

    Raises InvalidSetting if the host is not loopback or the port cannot be had.
    """
    if not is_loopback(host):
        raise InvalidSetting(
            f"host {host!r} is not a loopback address, and whoever reaches the server could read every event",
            hint="use --host 127.0.0.1 or ::1, or --uds, and let a proxy that checks who asks stand before it",
        )
    if not 0 <= port <= 65535:
        raise InvalidSetting(f"port {port} does not exist", hint="use 1 to 65535, or 0 for any free one")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
    except OSError as error:
        raise InvalidSetting(f"host {host!r} cannot be used: {error.strerror}", hint="use 127.0.0.1") from None
    with listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError as error:
            raise _refused(f"{host} port {port}", error, "choose another --port, or 0 for any free one") from None
        name = f"[{host}]" if ":" in host else host
        yield Listener(listening, f"http://{name}:{listening.getsockname()[1]}")


@contextmanager
def listen_unix(path: str | Path) -> Iterator[Listener]:
    """Inside the block a Unix socket of mode 0600 listens at `path`, and nothing is left there afterwards.

    A socket that nobody listens on any more is replaced; any other file is not. Raises InvalidSetting.
    """
    path = Path(path).absolute()
    _clear_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        before = os.umask(0o177)  # bind() makes the file: there is no moment in which others could connect
        try:
            listening.bind(str(path))
            listening.listen(BACKLOG)
            made = path.stat().st_ino
        except OSError as error:
            raise _refused(
                str(path), error, "choose another --uds in a directory of yours; at most 107 bytes"
            ) from None
        finally:
            os.umask(before)
        try:
            yield Listener(listening, f"unix:{path}")
        finally:
            if path.exists() and path.stat().st_ino == made:
                path.unlink()


def _clear_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing there, or bind() will say why not
    if not stat.S_ISSOCK(mode):
        raise InvalidSetting(f"{path} is there and is not a socket", hint="choose another --uds; it was left as it is")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError as error:
            raise _refused(str(path), error, "choose another --uds") from None
        else:
            raise InvalidSetting(f"{path} is in use: another process listens on it", hint="choose another --uds")


def _refused(where: str, error: OSError, hint: str) -> InvalidSetting:
    why = "in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    return InvalidSetting(f"cannot listen on {where}: {why}", hint=hint)
