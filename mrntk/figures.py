"""The figure registry and runner.

A figure is a module in the checkout's figures/ folder. It defines

    ID, TITLE       its name on the command line, and for people
    PAPER           what in the paper it stands for, or "beyond the paper"
    ALT             alternative text for readers who do not see it
    SCALES          {"smoke": params, "course": params, "paper": params}, params being keyword arguments of compute
    compute(key, progress, **params) -> DataFrame      tidy: one observation a row
    render(data) -> matplotlib Figure                   draws, computes nothing

Computing and drawing are apart: data go to data/SCALE/ID.csv with their provenance in ID.json, pictures to
rendered/SCALE/ID.png and .pdf. Data are computed again only when there is a reason, and the reason is printed.
"""

import ast
import difflib
import hashlib
import importlib.util
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd

from .errors import MrntkError
from .files import ensure_writable, write_atomically
from .provenance import provenance
from .scale import current_scale

SEED = 0
_REQUIRED = ("ID", "TITLE", "PAPER", "ALT", "SCALES", "compute", "render")


@dataclass(frozen=True)
class Figure:
    """One figure: its module and where that stands."""

    module: ModuleType
    path: Path

    @property
    def id(self) -> str:
        return self.module.ID

    def code_hash(self) -> str:
        """Hash of `compute` and of what it uses in its module; comments, docstrings, layout and drawing do not count."""
        return hashlib.sha256("\n".join(_used_by("compute", ast.parse(self.path.read_text()))).encode()).hexdigest()[
            :16
        ]

    def parameters(self, scale: str) -> dict:
        return dict(self.module.SCALES[scale])


def _used_by(name: str, module: ast.Module) -> list[str]:
    """The definitions that `name` reaches inside its module, itself included, each as a dump without its docstring."""
    definitions = {}
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node] if isinstance(node, ast.FunctionDef) else []
        definitions |= {getattr(target, "id", getattr(target, "name", None)): node for target in targets}
    reached, waiting = {}, [name]
    while waiting:
        name = waiting.pop()
        if name in definitions and name not in reached:
            node = definitions[name]
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:]
            reached[name] = ast.unparse(node)  # not ast.dump, which differs between Pythons
            waiting += [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
    return [reached[name] for name in sorted(reached)]


def figures_folder() -> Path:
    """The figures/ folder of the checkout that this package was installed from, or of the current folder."""
    for root in (Path(__file__).resolve().parents[1], Path.cwd()):
        if (root / "figures").is_dir():
            return root / "figures"
    raise MrntkError("no figures folder was found: run this inside a checkout of the project.")


def _load(path: Path) -> Figure:
    spec = importlib.util.spec_from_file_location(f"mrntk_figure_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing = [name for name in _REQUIRED if not hasattr(module, name)]
    if missing or module.ID != path.stem:
        raise MrntkError(
            f"figure module {path.name}: "
            + (f"define {', '.join(missing)}." if missing else "ID must be its file name.")
        )
    return Figure(module, path)


def discover(folder: Path | None = None) -> dict[str, Figure]:
    """All figures, by ID."""
    paths = sorted((folder or figures_folder()).glob("[a-z]*.py"))
    return {path.stem: _load(path) for path in paths}


def get_figure(name: str) -> Figure:
    """The figure of that ID; an unknown one is an error that names the nearest."""
    folder = figures_folder()
    known = sorted(path.stem for path in folder.glob("[a-z]*.py"))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or known
        raise MrntkError(
            f"figure {name!r} is unknown: did you mean {' or '.join(near)}? `mrntk figures --list` lists all."
        )
    return _load(folder / f"{name}.py")


def _to_csv(data: pd.DataFrame) -> bytes:
    return data.to_csv(index=False, float_format="%.10g", lineterminator="\n").encode()


def _why_recompute(figure: Figure, scale: str, csv: Path, record: Path) -> str | None:
    """The reason for computing the data again, or None if those on disk are good."""
    if not csv.exists() or not record.exists():
        return "there are none yet"
    try:
        known = json.loads(record.read_text())
    except ValueError:
        return f"{record.name} is not readable"
    if known.get("csv_sha256") != hashlib.sha256(csv.read_bytes()).hexdigest():
        return f"{csv.name} was changed by hand or damaged"
    if known.get("parameters") != json.loads(json.dumps(figure.parameters(scale))):
        return "the parameters changed"
    if known.get("code") != figure.code_hash():
        return "the figure's code changed"
    return None


def data_for(figure: Figure, scale: str, out: Path, *, fresh: bool = False, progress=iter, say: Callable = print):
    """The figure's data as a DataFrame: from disk if they are good, else computed, written and returned."""
    name = f"{figure.id}.csv"
    folders = [out / "data" / scale, figures_folder() / "data" / scale]
    for folder in folders:
        csv = folder / name
        reason = "asked for" if fresh else _why_recompute(figure, scale, csv, csv.with_suffix(".json"))
        if reason is None:
            return pd.read_csv(csv)
    csv = folders[0] / name
    ensure_writable(csv.parent)
    say(f"{figure.id}: computing the {scale}-scale data ({reason}) ...")
    import jax

    started = time.perf_counter()
    parameters = figure.parameters(scale)
    origin = provenance()  # now: a commit made meanwhile is not the code that runs
    content = _to_csv(figure.module.compute(jax.random.key(SEED), progress, **parameters))
    record = origin | {
        "figure": figure.id,
        "scale": scale,
        "seed": SEED,
        "parameters": parameters,
        "seconds": round(time.perf_counter() - started, 1),
        "code": figure.code_hash(),
        "csv_sha256": hashlib.sha256(content).hexdigest(),
    }
    # The record goes last: without it, or with one that does not match, the data are not believed.
    write_atomically(csv, content)
    write_atomically(csv.with_suffix(".json"), (json.dumps(record, indent=2) + "\n").encode())
    return pd.read_csv(csv)


def render(figure: Figure, data: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the figure as PNG and PDF; both are complete before either is written."""
    import matplotlib.pyplot as plt

    from .style import style

    ensure_writable(folder)
    contents = {}
    with style():
        picture = figure.module.render(data)
        for suffix, metadata in (("png", {"Description": figure.module.ALT}), ("pdf", {"CreationDate": None})):
            buffer = io.BytesIO()
            picture.savefig(buffer, format=suffix, metadata=metadata)
            contents[folder / f"{figure.id}.{suffix}"] = buffer.getvalue()
        plt.close(picture)
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def run(
    ids: list[str] | None = None,
    *,
    scale: str | None = None,
    fresh: bool = False,
    out: Path | None = None,
    progress=iter,
    say: Callable = print,
) -> list[Path]:
    """Make figures: data where they are missing or stale, pictures always. Returns the paths of the pictures.

    Raises
    ------
    MrntkError
        For an unknown figure or scale, missing data packages, or a folder that cannot be written.
    """
    scale = current_scale(scale)
    figures = [get_figure(name) for name in ids] if ids else list(discover().values())
    out = out or figures_folder()
    ensure_writable(out / "rendered" / scale)
    paths = []
    for figure in figures:
        data = data_for(figure, scale, out, fresh=fresh, progress=progress, say=say)
        made = render(figure, data, out / "rendered" / scale)
        say(f"{figure.id}: {', '.join(str(path) for path in made)}")
        paths += made
    return paths
