"""Set up .venv for this checkout. Standard library only, and old syntax, so that an old Python can say it is too old.

Does nothing when the environment already holds what requirements.txt, pyproject.toml and JAX=... ask for.
Every failure ends in one sentence on stderr and exit code 2.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "setup.json"
OLDEST = (3, 11)
VARIANTS = ("cpu", "cuda12", "cuda13")
NEEDED_GB = {"cpu": 2.5, "cuda12": 9.0, "cuda13": 9.0}

PIP_FAILURES = (
    (
        r"No space left on device|Errno 28|Disk quota exceeded",
        "the disk is full: free about {gb:.0f} GB and run the same command again",
    ),
    (
        r"NewConnectionError|name resolution|Connection refused|ConnectTimeout|Network is unreachable|Max retries exceeded|"
        r"Failed to establish|ReadTimeout|Read timed out|ProxyError|Connection reset|SSLError|Could not fetch URL",
        "the network or the package registry does not answer: connect, or point pip to a mirror, and run the same command again",
    ),
    (
        r"No matching distribution|Could not find a version",
        "a pinned package has no build for this Python or platform: use CPython 3.11 to 3.13 on Linux or macOS",
    ),
)


class SetupError(Exception):
    """One sentence for the reader."""


def find_python():
    """This interpreter if it is new enough, else the newest suitable one on PATH."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in range(14, OLDEST[1] - 1, -1):
        candidate = shutil.which("python3.{}".format(minor))
        if candidate and subprocess.call([candidate, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return candidate
    raise SetupError(
        "Python {}.{} is too old: install Python {}.{} or newer, or name one with `make PYTHON=/path/to/python`".format(
            *(sys.version_info[:2] + OLDEST)
        )
    )


def wanted(variant):
    """What the environment must hold, as a dictionary that is compared with the stamp of the last set-up."""
    digest = hashlib.sha256()
    for name in ("requirements.txt", "pyproject.toml", "bootstrap.py"):
        digest.update((ROOT / name).read_bytes())
    return {"files": digest.hexdigest(), "variant": variant, "root": str(ROOT)}


def installed():
    """The stamp of the last finished set-up, or None (none yet, or its Python is gone)."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if PYTHON.exists() else None


def explain(output, variant="cpu"):
    """The sentence for a failed pip run, from what pip printed."""
    for pattern, sentence in PIP_FAILURES:
        if re.search(pattern, output):
            return sentence.format(gb=NEEDED_GB[variant])
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|\w*Error):", line)] or lines
    return "pip failed: " + (errors[-1] if errors else "it printed nothing")


def pip(arguments, variant):
    """Run the environment's pip; raise SetupError with one sentence if it fails."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--retries", "2", "--quiet"]
    process = subprocess.run(
        command + arguments,
        cwd=str(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if process.returncode:
        raise SetupError(explain(process.stdout, variant))


def create(python):
    """Make .venv with `python`, or say which system package is missing."""
    process = subprocess.run(
        [python, "-m", "venv", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if process.returncode:
        if re.search("ensurepip|python3-venv", process.stdout):
            raise SetupError(
                "Python's venv module is incomplete: install it (on Debian or Ubuntu: apt install python3-venv)"
            )
        raise SetupError("could not create .venv: " + explain(process.stdout))


def check_space(variant):
    """Refuse to begin an installation that the disk cannot hold."""
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    if free < NEEDED_GB[variant]:
        raise SetupError(
            "the disk is too full: {:.1f} GB free here, about {:.0f} GB are needed".format(free, NEEDED_GB[variant])
        )


def install(variant, say=print):
    """Create or update .venv; leave no unfinished one behind."""
    python = find_python()
    check_space(variant)
    fresh = installed() is None
    if fresh and VENV.exists():
        shutil.rmtree(str(VENV))
    try:
        if fresh:
            say("Setting up .venv with {} (about 1.6 GB, a few minutes, once) ...".format(python))
            create(python)
        else:
            STAMP.unlink()
            say("Updating .venv: what it should hold has changed ...")
        say("  1/2 the packages of requirements.txt")
        pip(["install", "--no-deps", "--requirement", "requirements.txt"], variant)
        if variant != "cpu":
            say("      and JAX for " + variant)
            pip(["install", "--constraint", "requirements.txt", "jax[{}]".format(variant)], variant)
        say("  2/2 mrntk itself, from this folder")
        pip(["install", "--no-deps", "--no-build-isolation", "--editable", "."], variant)
    except BaseException:
        if fresh:
            shutil.rmtree(str(VENV), ignore_errors=True)
        raise
    STAMP.write_text(json.dumps(wanted(variant)), encoding="utf-8")
    say("Done.")


def main():
    before = installed()
    variant = os.environ.get("JAX") or (before or {}).get("variant", "cpu")
    if variant not in VARIANTS:
        raise SetupError("JAX={} is unknown: choose one of {}".format(variant, ", ".join(VARIANTS)))
    if before == wanted(variant):
        return
    with open(str(ROOT / ".setup.lock"), "wb") as lock:  # two `make` at once: the second waits, then finds it done
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        if installed() != wanted(variant):
            install(variant, say=lambda text: print(text, flush=True))


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.stderr.write("Setting up failed: {}.\n".format(error))
        sys.exit(2)
    except OSError as error:
        sys.stderr.write("Setting up failed: {}.\n".format(explain(str(error))))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
