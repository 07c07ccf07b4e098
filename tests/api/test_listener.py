"""The socket that the server takes before anything else."""

import socket
import stat

import pytest

from stonelog.api.listener import listen, listen_unix
from stonelog.filestore import InvalidSetting


def connects(path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_port_0_takes_a_free_one():
    """Port 0 takes a free port, and the address says which."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.socket.getsockname()[1]
        assert listener.address == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port)).close()


def test_port_in_use():
    """A port that another listens on is refused by number."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(InvalidSetting, match=f"127.0.0.1 port {port}: in use"), listen("127.0.0.1", port):
            pass


def test_port_is_free_again_at_once():
    """After the server has ended, the next one gets the port."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.socket.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        listener.socket.accept()[0].close()
        client.close()
    with listen("127.0.0.1", port) as listener:
        assert listener.address.endswith(str(port))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_S15_other_than_loopback_is_refused(host):
    """Without a token nobody beyond this machine may be let in, so the server does not start there."""
    with pytest.raises(InvalidSetting, match=r"not a loopback address.*--uds"), listen(host, 0):
        pass


@pytest.mark.parametrize("port", [-1, 65536])
def test_port_that_does_not_exist(port):
    """A number that is no port is refused."""
    with pytest.raises(InvalidSetting, match="does not exist"), listen("127.0.0.1", port):
        pass


def test_unix_socket_is_for_its_owner(tmp_path):
    """A Unix socket has mode 0600, is listened on, and is gone afterwards."""
    path = tmp_path / "s"
    with listen_unix(path) as listener:
        assert listener.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert connects(path)
    assert not path.exists()


def test_stale_unix_socket_is_replaced(tmp_path):
    """A socket that a killed server left is replaced."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert not connects(path)
    with listen_unix(path):
        assert connects(path)


def test_unix_socket_in_use_is_left_alone(tmp_path):
    """A socket that another process listens on is not taken from it."""
    path = tmp_path / "s"
    with listen_unix(path):
        with pytest.raises(InvalidSetting, match="in use"), listen_unix(path):
            pass
        assert connects(path)


@pytest.mark.parametrize("kind", ["file", "directory", "symlink"])
def test_what_is_no_socket_is_left_alone(tmp_path, kind):
    """Whatever else lies at the path stays as it is."""
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("mine")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidSetting, match="not a socket"), listen_unix(path):
        pass
    assert path.is_symlink() or path.exists()


def test_socket_of_a_successor_is_not_removed(tmp_path):
    """A server that ends does not take away the socket that another put in the place of its own."""
    path = tmp_path / "s"
    with listen_unix(path):
        path.unlink()
        other = socket.socket(socket.AF_UNIX)
        other.bind(str(path))
    assert path.exists()
    other.close()


@pytest.mark.parametrize("name", ["missing/s", "a" * 200])
def test_path_that_cannot_be_bound(tmp_path, name):
    """A path in no directory, or too long for a socket, is one clear error."""
    with pytest.raises(InvalidSetting, match="cannot listen on"), listen_unix(tmp_path / name):
        pass
