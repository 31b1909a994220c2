"""The figure registry: what a figure is, and whether the data on disk are its data. `figures.making.runner` computes and draws.

A figure is a module in the checkout's figures/ folder. It defines

    ID, TITLE       its name on the command line, and for people
    PAPER           what in the paper it stands for, or "beyond the paper"
    ALT             alternative text for readers who do not see it
    SAYS            what the paper says of it, in our words and with how surely that is known
    finds(data)     what we find, in a sentence or two whose numbers come from the data
    NOTE            optional: what a reader must know of how the data came about
    render(data) -> matplotlib Figure                   draws, computes nothing

and either FROM, the ID of the figure whose data it draws, or data of its own:

    SCALES          {"smoke": parameters, "course": parameters, "paper": parameters}
    cells(**parameters) -> list of dict                 the data's independent pieces; without it there is one, the parameters
    compute(key, **cell) -> DataFrame or list of dict   one piece, tidy: one observation per row
    MISSING         columns that may be empty; default, none

Computing and drawing are apart: data go to data/SCALE/ID.csv with their record in ID.json, pictures to
rendered/SCALE/ID.png and .pdf. Data are computed again only when there is a reason, and the reason is printed.
"""

import difflib
import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd

from mrntk.support.errors import MrntkError

from .cells import from_csv
from .code import code_hash
from .settings import changed

SEED = 0
PENDING = "pending"  # folder of figures, or new versions of them, whose course-scale data are still to be computed
_REQUIRED = ("ID", "TITLE", "PAPER", "ALT", "SAYS", "render", "finds")
_OWN_DATA = ("SCALES", "compute")
COMPUTING = ("compute", "cells")  # what data are made by
EXPERIMENTS = ("figures.experiments",)  # what counts as a figure's own code, beside its module
EVERYTHING = ("figures", "mrntk")  # this project's packages


@dataclass(frozen=True)
class Figure:
    """One figure: its module and where that stands."""

    module: ModuleType
    path: Path

    @property
    def id(self) -> str:
        return self.module.ID

    @property
    def source(self) -> "Figure":
        """The figure whose data it draws: itself, or the one that FROM names."""
        origin = getattr(self.module, "FROM", None)
        return self if origin is None else load(self.path.with_name(f"{origin}.py"))

    def code_hash(self) -> str:
        """Hash of `compute` and `cells` and of what they reach in their module and in `figures.experiments`.

        It stands in the record of the data: an edit of these makes them stale, an edit of the library does not.
        """
        return code_hash(self.path, COMPUTING, EXPERIMENTS)

    def whole_code_hash(self) -> str:
        """Hash of `compute` and of all that it reaches in this project, the library included.

        Pieces of unfinished data are named by it and by their arguments, so that one sweep is never put together from two
        versions of a function. Which pieces there are is for `cells` to say, and changes none of them.
        """
        return code_hash(self.path, ("compute",), EVERYTHING)

    def parameters(self, scale: str, settings: Sequence[str] = ()) -> dict:
        """Keyword arguments of `cells`, with `settings` ("name=value") in place."""
        return changed(self.module.SCALES[scale], settings)

    def pieces(self, parameters: dict) -> list[dict]:
        """Keyword arguments of `compute` for every piece of the data."""
        return self.module.cells(**parameters) if hasattr(self.module, "cells") else [parameters]


def figures_folder() -> Path:
    """The figures/ folder of the checkout."""
    return Path(__file__).resolve().parents[1]


def load(path: Path) -> Figure:
    """The figure in that file.

    Raises
    ------
    MrntkError
        If it lacks a part of what a figure is.
    """
    spec = importlib.util.spec_from_file_location(f"mrntk_figure_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    required = _REQUIRED + (() if hasattr(module, "FROM") else _OWN_DATA)
    missing = [name for name in required if not hasattr(module, name)]
    if missing or module.ID != path.stem:
        raise MrntkError(
            f"figure module {path.name}: "
            + (f"define {', '.join(missing)}." if missing else "ID must be its file name.")
        )
    return Figure(module, path)


def discover(folder: Path | None = None) -> dict[str, Figure]:
    """All figures, by ID."""
    paths = sorted((folder or figures_folder()).glob("[a-z]*.py"))
    return {path.stem: load(path) for path in paths}


def committed_scales() -> dict[str, list[str] | str]:
    """For every figure, in alphabetical order: the scales at which it has data, or the ID of the figure whose data it draws."""
    folder, found = figures_folder(), {}
    for name, figure in sorted(discover().items()):
        scales = [csv.parent.name for csv in sorted((folder / "data").glob(f"*/{name}.csv"))]
        found[name] = scales if figure.source.id == name else figure.source.id
    return found


def is_pending(name: str) -> bool:
    """Is this a new figure that waits for its course-scale data?"""
    folder = figures_folder()
    return (folder / PENDING / f"{name}.py").exists() and not (folder / f"{name}.py").exists()


def get_figure(name: str) -> Figure:
    """The figure of that ID; an unknown one is an error that names the nearest."""
    folder = figures_folder()
    if is_pending(name):
        raise MrntkError(
            f"figure {name}: its data are still to be computed; until then it waits in figures/{PENDING}/, "
            "and can be run from figures/."
        )
    known = sorted(path.stem for path in folder.glob("[a-z]*.py"))
    if name not in known:
        near = [one for one in known if one.startswith(name)] or difflib.get_close_matches(name, known, n=3) or known
        raise MrntkError(
            f"figure {name!r} is unknown: did you mean {' or '.join(near)}? `mrntk figures --list` lists all."
        )
    return load(folder / f"{name}.py")


def why_recompute(figure: Figure, csv: Path, parameters: dict) -> str | None:
    """The reason for computing the data again, or None if those in `csv` are good."""
    record = csv.with_suffix(".json")
    if not csv.exists() or not record.exists():
        return "there are none yet"
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        known_hash = known.get("csv_sha256")
    except (ValueError, AttributeError):
        return f"{record.name} is not readable"
    if known_hash != hashlib.sha256(csv.read_bytes()).hexdigest():
        return f"{csv.name} was changed by hand or damaged; if it is a committed file, git checkout brings it back"
    if known.get("parameters") != json.loads(json.dumps(parameters)):
        return "the parameters changed"
    if known.get("code") != figure.code_hash():
        return "the figure's code changed"
    return None


def last_written(scale: str = "course") -> float:
    """When the newest of the committed data were written, in seconds; 0 if there are none."""
    return max((csv.stat().st_mtime for csv in (figures_folder() / "data" / scale).glob("*.csv")), default=0.0)


def committed_data(name: str, scale: str = "course") -> pd.DataFrame:
    """The data in the checkout's figures/data of the figure of that ID, for claims and notebooks.

    Raises
    ------
    MrntkError
        If there are none, or they do not match their record.
    """
    figure = get_figure(name).source
    csv = figures_folder() / "data" / scale / f"{figure.id}.csv"
    reason = why_recompute(figure, csv, figure.parameters(scale))
    if reason is not None:
        raise MrntkError(f"{csv.name}: {reason}. Run `mrntk figures {figure.id} --scale {scale}` first.")
    return from_csv(csv.read_text(encoding="utf-8"))
