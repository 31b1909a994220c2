"""A port to listen on."""

import socket

from .errors import MrntkError


def usable_port(port: int, address: str = "127.0.0.1") -> int:
    """The port itself if it can be listened on; for 0, one that is free.

    Raises
    ------
    MrntkError
        If another program has it, or the address is none of this machine.
    """
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            return probe.getsockname()[1]
    except (OSError, OverflowError) as error:
        raise MrntkError(
            f"{address} port {port} cannot be listened on ({error}): give another --port, or an address of this machine."
        ) from None
