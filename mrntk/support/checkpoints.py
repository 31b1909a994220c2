"""Checkpoints of training: one line of JSON that says to which run they belong, then the arrays.

A run is known by a fingerprint of everything its numbers depend on, so that it is never continued with other arguments.
"""

import hashlib
import io
import json
import re
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from .errors import MrntkError
from .files import write_atomically


def hash_of(*arrays, text: str = "") -> str:
    """SHA-256 of a text and of arrays, types and shapes included."""
    digest = hashlib.sha256(text.encode())
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def fingerprint_of(*, program: str, start, key, data, callback, epochs: int) -> dict[str, str]:
    """What the numbers of a training depend on.

    Parameters
    ----------
    program : the compiled step's text, which stands for all that is not an array.
    start : the state and the model before the first epoch.
    key : of the order of the examples, or one per seed.
    data : to train on, and to judge by.
    callback : called before every epoch, or None.
    epochs : the most of them.
    """
    return {
        "model": hash_of(*filter(eqx.is_array, jax.tree.leaves(start))),
        "key": hash_of(jax.random.key_data(key)),
        "data": hash_of(*jax.tree.leaves(data)),
        "callback": hash_of(
            *filter(eqx.is_array, jax.tree.leaves(callback)), text=re.sub("0x[0-9a-f]+", "", repr(callback))
        ),
        "epochs": str(epochs),
        "optimiser, loss, batch, patience or network": hash_of(text=program),
    }


def write_checkpoint(path: Path, fingerprint: dict, content):
    """Write the arrays of `content`, a pytree, with the fingerprint of their run; whole or not at all."""
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, content)
    body = buffer.getvalue()
    header = json.dumps({"run": fingerprint, "sha256": hashlib.sha256(body).hexdigest()})
    write_atomically(path, header.encode() + b"\n" + body)


def read_checkpoint(path: Path, fingerprint: dict, template):
    """The content of a checkpoint.

    Parameters
    ----------
    path : the file.
    fingerprint : of the run that it must belong to.
    template : a pytree of the structure, the shapes and the types that the content has.

    Raises
    ------
    MrntkError
        If the file is damaged, or belongs to a run with another fingerprint.
    """
    header, _, body = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(header)
        found, whole = header["run"], header["sha256"] == hashlib.sha256(body).hexdigest()
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise MrntkError(
            f"checkpoint={path} is damaged or no checkpoint: delete it to start again, or name another file."
        )
    other = [name for name, value in fingerprint.items() if found.get(name) != value]
    if other:
        raise MrntkError(
            f"checkpoint={path} belongs to a run with other arguments (other {'; other '.join(other)}): "
            "give those, delete it to start again, or name another file."
        )
    return eqx.tree_deserialise_leaves(io.BytesIO(body), template)
