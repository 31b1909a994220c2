"""What the reader's environment asks of JAX and Matplotlib, tried before a command begins."""

import os
import subprocess
import sys

from .errors import MrntkError

TRIED = {  # a program: what it may fail by
    "import matplotlib": ("MPLBACKEND",),
    "import jax; jax.devices()": ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_ENABLE_X64", "XLA_FLAGS"),
}


def check_environment():
    """Try it in a process of its own: a bad flag ends the process, and a GPU's memory stays with the first that looks at it.

    Raises
    ------
    MrntkError
        If JAX or Matplotlib cannot start so.
    """
    for program, names in TRIED.items():
        asked = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
        sparing = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        if asked and subprocess.run([sys.executable, "-c", program], env=sparing, capture_output=True).returncode:
            package = program.split()[1].rstrip(";")
            raise MrntkError(f"{' '.join(asked)}: {package} cannot start with this here; correct it or unset it.")
