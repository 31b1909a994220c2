"""Making figures: data where they are missing or stale, all missing pieces side by side, and every picture whole."""

import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from mrntk.support.errors import MrntkError
from mrntk.support.files import ensure_writable, write_atomically
from mrntk.support.provenance import provenance
from mrntk.support.scale import current_scale

from .cells import Cell, compute_all, finished, from_csv, keep, make_cells, to_csv
from .registry import SEED, Figure, discover, figures_folder, get_figure, why_recompute


@dataclass
class _Work:
    """A figure whose data are being computed, by this process alone."""

    figure: Figure
    parameters: dict
    scale: str
    csv: Path
    store: Path  # the folder of its finished pieces
    lock: FileLock
    origin: dict
    code: str  # when the run began: an edit meanwhile makes the data stale
    cells: list[Cell]
    done: dict[Path, dict] = field(default_factory=dict)  # by the cells' places

    @property
    def expected(self) -> float:
        """Seconds that a cell took when the data on disk were made; NaN if nobody knows."""
        try:
            path = figures_folder() / "data" / self.scale / f"{self.figure.id}.json"
            record = json.loads(path.read_text(encoding="utf-8"))
            return record["seconds"] / record["cells"]
        except (OSError, ValueError, KeyError, TypeError):
            return float("nan")

    def add(self, cell: Cell, found: dict):
        """Keep what a cell gave, with where it came from: another run, on another machine, may finish the rest."""
        content = found | {"origin": self.origin}
        keep(cell, content)
        self.done[cell.store] = content

    def finish(self):
        """Put the pieces together, write data and record, and remove the pieces, those of other code included."""
        parts = [from_csv(self.done[cell.store]["csv"]) for cell in self.cells]
        content = to_csv(pd.concat(parts, ignore_index=True)).encode()
        record = self.origin | {
            "figure": self.figure.id,
            "scale": self.scale,
            "seed": SEED,
            "parameters": self.parameters,
            "seconds": round(sum(self.done[cell.store]["seconds"] for cell in self.cells), 1),
            "cells": len(self.cells),
            "code": self.code,
            "csv_sha256": hashlib.sha256(content).hexdigest(),
        }
        others = {piece["origin"]["made"]: piece["origin"] for piece in self.done.values()}
        others.pop(self.origin["made"], None)
        if others:
            record["pieces_from"] = [others[made] for made in sorted(others)]
        # The record goes last: without it, or with one that does not match, the data are not believed.
        write_atomically(self.csv, content)
        write_atomically(self.csv.with_suffix(".json"), (json.dumps(record, indent=2) + "\n").encode())
        for piece in self.store.glob("*.json"):
            piece.unlink(missing_ok=True)


def default_jobs() -> int:
    """One worker per core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _changes(settings: Sequence[str]) -> str:
    """The ending of the folder for data of changed parameters; empty without any."""
    return "-" + hashlib.sha256("\n".join(sorted(settings)).encode()).hexdigest()[:8] if settings else ""


class _Session:
    """The arguments of one run, and what follows from them."""

    def __init__(self, scale: str, settings: Sequence[str], out: Path, fresh: bool, say: Callable):
        self.scale, self.settings, self.out, self.fresh, self.say = scale, settings, out, fresh, say
        self.folder = scale + _changes(settings)
        self.words = f"{scale}-scale data" + (f" with {', '.join(settings)}" if settings else "")

    def place(self, figure: Figure, root: Path) -> Path:
        return root / "data" / self.folder / f"{figure.id}.csv"

    def data(self, figure: Figure) -> tuple[pd.DataFrame | None, str]:
        """(the data on disk, ""), or (None, why they must be computed)."""
        source, reason = figure.source, "asked for"
        parameters = source.parameters(self.scale, self.settings)
        for root in () if self.fresh else (self.out, figures_folder()):
            csv = self.place(source, root)
            reason = why_recompute(source, csv, parameters)
            if reason is None:
                return from_csv(csv.read_text(encoding="utf-8")), ""
        return None, reason

    def begin(self, figure: Figure, *, wait: bool) -> _Work | None:
        """Take the figure's lock and look what an unfinished run left; None if another run has the lock."""
        csv = self.place(figure, self.out)
        ensure_writable(csv.parent)
        store = csv.parent / "pieces" / figure.id
        store.mkdir(parents=True, exist_ok=True)
        lock = FileLock(store / "lock")
        try:
            lock.acquire(blocking=wait)
        except Timeout:
            return None
        parameters = figure.parameters(self.scale, self.settings)
        cells = make_cells(figure.path, figure.whole_code_hash(), figure.pieces(parameters), SEED, store)
        work = _Work(figure, parameters, self.scale, csv, store, lock, provenance(), figure.code_hash(), cells)
        for cell in cells:
            content = finished(cell, self.say)
            if content is not None:
                work.done[cell.store] = content
        return work


def _bar(total: float):
    from tqdm import tqdm

    shown = "{percentage:3.0f} % |{bar:24}| {postfix} {elapsed} gone, about {remaining} left"
    return tqdm(total=total, bar_format=shown, disable=None, leave=False)


def _compute(works: list[_Work], *, jobs: int, dask: str | None, bar: Callable, say: Callable):
    """Compute every missing cell of all the figures together; each figure's data are written as soon as they are whole."""
    owner = {cell.store: work for work in works for cell in work.cells}
    known = [work.expected for work in works if work.expected == work.expected]
    usual = sum(known) / len(known) if known else 1.0
    weight = {work.csv: work.expected if work.expected == work.expected else usual for work in works}
    waiting = [cell for work in works for cell in work.cells if cell.store not in work.done]
    waiting.sort(
        key=lambda cell: -weight[owner[cell.store].csv]
    )  # long ones first, so that no worker ends up alone with one
    jobs, quickly = min(jobs, max(len(waiting), 1)), all(work.scale == "smoke" for work in works)
    progress = bar(total=sum(weight[owner[cell.store].csv] for cell in waiting))
    try:
        for work in works:
            if len(work.done) == len(work.cells):
                work.finish()
        for cell, content in compute_all(waiting, jobs=jobs, dask=dask, quickly=quickly):
            work = owner[cell.store]
            work.add(cell, content)
            progress.set_postfix_str(f"{work.figure.id} {len(work.done)}/{len(work.cells)},", refresh=False)
            progress.update(weight[work.csv])
            if len(work.done) == len(work.cells):
                work.finish()
                say(f"{work.figure.id}: data are ready")
    finally:
        progress.close()
        for work in works:
            work.lock.release()


def _compute_missing(session: _Session, sources: dict[str, tuple[Figure, str]], **options):
    """Compute the data of these figures; those that another run is computing are waited for."""
    say, works, busy = session.say, [], []
    for figure, reason in sources.values():
        work = session.begin(figure, wait=False)
        if work is None:
            busy.append(figure)
            continue
        there = (
            f", {len(work.done)} of its {len(work.cells)} pieces are there from an unfinished run" if work.done else ""
        )
        say(f"{figure.id}: computing the {session.words} ({reason}{there}) ...")
        works.append(work)
    _compute(works, say=say, **options)
    for figure in busy:
        say(f"{figure.id}: another run is computing these data; waiting for it ...")
        work = session.begin(figure, wait=True)
        session.fresh = False  # what the other run made is new
        if session.data(figure)[0] is not None:
            work.lock.release()
        else:  # it was ended before it had finished
            _compute([work], say=say, **options)


def render(figure: Figure, data: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the figure as PNG and PDF; both are complete before either is written."""
    import matplotlib.pyplot as plt

    from mrntk.support.style import style

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
    ids: Sequence[str] | None = None,
    *,
    scale: str | None = None,
    settings: Sequence[str] = (),
    fresh: bool = False,
    out: Path | None = None,
    jobs: int | None = None,
    dask: str | None = None,
    bar: Callable = _bar,
    say: Callable = print,
) -> list[Path]:
    """Make figures: data where they are missing or stale, pictures always. Returns the paths of the pictures.

    Parameters
    ----------
    ids : which; all by default.
    settings : "name=value" changes of a figure's parameters; data and pictures then go to folders of their own.
    fresh : compute the data again even if those on disk are good. Pieces of an unfinished run are not computed twice.
    jobs : worker processes; default, one per core. With 1 everything is computed in this process.
    dask : address of a Dask scheduler whose workers compute, or "local".
    bar : makes a progress bar from `total`, with `update`, `set_postfix_str` and `close`, like tqdm's.

    Raises
    ------
    MrntkError
        For an unknown figure, scale or setting, missing data packages, a piece that fails, a disk that is full or cannot be
        written.
        What was finished before is kept and not computed again.
    """
    started = time.perf_counter()
    scale = current_scale(scale)
    figures = [get_figure(name) for name in ids] if ids else list(discover().values())
    out = out or figures_folder()
    jobs = default_jobs() if jobs is None else jobs
    if jobs < 1:
        raise MrntkError(f"jobs={jobs}: give at least 1.")
    session = _Session(scale, settings, out, fresh, say)
    folder = out / "rendered" / session.folder
    ensure_writable(folder)
    sources = {}
    for figure in figures:
        data, reason = session.data(figure)
        if data is None:
            sources[figure.source.id] = figure.source, reason
    if sources:
        _compute_missing(session, sources, jobs=jobs, dask=dask, bar=bar)
        session.fresh = False
    paths = []
    for figure in figures:
        data, reason = session.data(figure)
        if data is None:
            raise MrntkError(f"{figure.id}: {reason}, although they were just computed: run the same command again.")
        made = render(figure, data, folder)
        say(f"{figure.id}: {', '.join(str(path) for path in made)}")
        paths += made
    if len(figures) > 1:
        say(f"{len(figures)} figures in {time.perf_counter() - started:.0f} s")
    return paths
