"""A reverse proxy as small as one can be: it calls the server by an address of its own, as nginx does unless told otherwise."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def proxied(port: int) -> Iterator[int]:
    """Hands every request on to that port of this machine, one a connection; yields the proxy's own port."""

    async def hand_on(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        head = re.sub(rb"(?im)^host:[^\r]*", f"Host: 127.0.0.1:{port}".encode(), head)
        if b"upgrade" not in head.lower():
            head = re.sub(rb"(?im)^connection:[^\r]*\r\n", b"", head)[:-2] + b"Connection: close\r\n\r\n"
        there, back = await asyncio.open_connection("127.0.0.1", port)
        back.write(head)
        await asyncio.gather(_pump(reader, back), _pump(there, writer), return_exceptions=True)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(hand_on, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
