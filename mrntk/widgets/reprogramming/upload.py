"""A source that comes from the reader's browser: limited in kind and size, read once, never left behind."""

import hashlib
import secrets
import shutil

from ...support.cache import cache_folder
from ...support.errors import MrntkError
from .networks import Network, own_network

LARGEST = 20_000_000  # bytes


def own_from(name: str, content: bytes) -> Network:
    """The source in an .onnx file of that name and content.

    The file lies alone in a fresh folder of the cache while it is read, under a name of ours, so that nothing in it can point
    at another file; then the folder is removed. The weights stay in memory.

    Raises
    ------
    MrntkError
        For another kind of file, one that is too large, damaged, or of a shape that the explorer does not know.
    """
    if not name.lower().endswith(".onnx"):
        raise MrntkError(f"own file {name[:60]!r}: give an .onnx file.")
    if len(content) > LARGEST:
        raise MrntkError(f"own file: it has {len(content) / 1e6:.0f} MB; give at most {LARGEST / 1e6:.0f} MB.")
    folder = cache_folder("uploads") / secrets.token_hex(8)
    folder.mkdir()
    try:
        path = folder / "own.onnx"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return own_network(path, digest, words=f"your file {name[:40]}")
    except MrntkError as error:  # without the path, which the reader never saw
        raise MrntkError(str(error).replace(str(folder / "own.onnx"), name[:60])) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
