"""A port that another program has is refused, and 0 becomes one that is free."""

import socket

import pytest

from mrntk import MrntkError
from mrntk.support.port import usable_port


def test_ports():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MrntkError, match=f"127.0.0.1 port {port} cannot be listened on .*: give another --port"):
            usable_port(port)
        free = usable_port(0)
        assert free not in (0, port)
    assert usable_port(port) == port


@pytest.mark.parametrize(
    "port, address", [(-1, "127.0.0.1"), (70000, "127.0.0.1"), (0, "192.0.2.1"), (0, "no such name")]
)
def test_what_cannot_be(port, address):
    with pytest.raises(MrntkError, match=f"{address} port {port} cannot be listened on"):
        usable_port(port, address)
