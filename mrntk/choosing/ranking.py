"""Which source for my task, which task for my source, which maps for this pair: candidates, best first, with what separates them.

Every candidate is scored on the same draws of examples, so that differences between candidates do not hang on who got the
easier examples. Candidates whose difference to the first may be chance are called ties.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial

import jax
import numpy as np

from ..model.input_maps import INNER, INPUT_MAPS
from ..sources.registry import load_source
from ..support.errors import MrntkError, first_line
from ..tasks import Task, load_task
from ..tasks.task import rows_in_turn
from .candidates import EVERY, OUTPUT_MAPS, Candidate, check_source, model_of, read_source
from .peers import linear_probe
from .remembered import content_of, content_of_task, remembered
from .rows import Ranking, Row
from .scores import Forecast, forecast


def all_candidates(
    tasks: Sequence[str],
    sources: Sequence[str],
    input_maps: Sequence[str],
    inners: Sequence[float],
    output_maps: Sequence[str],
) -> list[Candidate]:
    """Every combination; those that differ in the prompt alone stand once where there is no prompt.

    Raises
    ------
    MrntkError
        For an empty list, or a name that does not exist; nothing has been loaded then.
    """
    given = {"task": tasks, "source": sources, "input map": input_maps, "window": inners, "output mapping": output_maps}
    for what, values in given.items():
        if not values:
            raise MrntkError(f"there is no {what} among the candidates: give one or more.")
    for name in input_maps:
        if name not in INPUT_MAPS or name == "none":
            known = ", ".join(other for other in INPUT_MAPS if other != "none")
            raise MrntkError(f"input map {name!r}: choose from {known}.")
    for share in inners:
        if not 0 < share < 1:
            raise MrntkError(f"window {share}: give shares of the source's side between 0 and 1, such as 0.7.")
    for name in output_maps:
        if name not in OUTPUT_MAPS:
            raise MrntkError(f"output mapping {name!r}: choose from {', '.join(OUTPUT_MAPS)}.")
    for words in sources:
        check_source(words)
    found = (
        Candidate(task, source, name, inner if INPUT_MAPS[name].has_prompt else INNER, output)
        for source, task, name, inner, output in itertools.product(sources, tasks, input_maps, inners, output_maps)
    )
    return list(dict.fromkeys(found))


def rank(
    tasks: str | Task | Sequence[str | Task],
    sources: str | Sequence[str],
    *,
    input_maps: Sequence[str] = ("fc", "vp"),
    inners: Sequence[float] = (INNER,),
    output_maps: Sequence[str] = ("frequency",),
    examples: int = 50,
    draws: int = 1,
    steps: int = 500,
    loss: str = "ce",
    seed: int = 0,
    tell: Callable[[Row], None] | None = None,
) -> Ranking:
    """Rank every combination of the given tasks, sources and maps by predicted accuracy on new examples.

    One task and many sources answer "which source?", one source and many tasks "which task?", and one of each with several maps
    "how?". What was computed once is known again, as long as its source, its task and this library stay the same.

    Parameters
    ----------
    tasks : names or paths as `load_task` takes them, with options behind a colon as of sources (my_images/:side=64), or
        `Task` objects.
    sources : sources in words (see `read_source`), or "all" for those of `EVERY`.
    input_maps : names of `INPUT_MAPS`.
    inners : sizes of the window inside a prompt, as shares of the source's side.
    output_maps : "frequency", "random", "bayesian". The first and the last are chosen by the labels of all examples, of those
        that are left out too, which flatters the forecast a little where a source has many more classes than the task.
    examples : training examples of every draw, the classes in turn; fewer where a task has fewer.
    draws : how many times examples and random weights are drawn.
    steps, loss : the training that one can afford, by the authors' optimiser with all examples at every step.
    seed : of the draws.
    tell : is called with every finished row; a KeyboardInterrupt ends the ranking, and what is finished is returned.

    Returns
    -------
    Ranking
        `table` makes text of it.

    Raises
    ------
    MrntkError
        For a name that does not exist, no candidate at all, a task too small, or fewer than two examples per class; a source
        that cannot be loaded or does not fit a task is a row with the reason.
    """
    for name, value in {"examples": examples, "draws": draws, "steps": steps}.items():
        if value < 1:
            raise MrntkError(f"{name}={value}: give at least 1.")
    loaded = [task if isinstance(task, Task) else _task(task) for task in listed(tasks)]
    words = list(EVERY) if sources == "all" else listed(sources)
    names = [task.name for task in loaded]
    candidates = all_candidates(names, words, input_maps, inners, output_maps)
    for task in loaded:
        if np.bincount(task.y_train, minlength=task.num_classes).min() < 2:
            raise MrntkError(
                f"task {task.name}: a class has one example; a ranking leaves examples out, so give two or more."
            )
        if examples < 2 * task.num_classes:
            raise MrntkError(
                f"examples={examples}: task {task.name} has {task.num_classes} classes, so give at least "
                f"{2 * task.num_classes}, two of each."
            )
    tasks_by_name, rows, complete = dict(zip(names, loaded, strict=True)), [], False
    try:
        for row in _rows(candidates, tasks_by_name, examples=examples, draws=draws, steps=steps, loss=loss, seed=seed):
            rows.append(row)
            if tell:
                tell(row)
        complete = True
    except KeyboardInterrupt:
        pass
    ranked = sorted(rows, key=lambda row: -row.score)
    linear = tuple((task.name, _linear(task, examples, seed)) for task in loaded if complete)
    return Ranking(tuple(ranked), complete, linear)


def _task(words: str) -> Task:
    """A task in words, as a source: "name", or "name:option=value,option=value" (my_images/:side=64)."""
    name, options = read_source(words, what="task") if isinstance(words, str) else (words, {})
    return load_task(name, **options)


def _linear(task: Task, examples: int, seed: int) -> float:
    """Accuracy of a linear model on the raw inputs of the first draw, in cross-validation."""
    x, labels = _drawn(task, examples, seed)
    return linear_probe(x.reshape(len(x), -1), labels)


def _drawn(task: Task, examples: int, seed: int):
    """(x, class numbers) of one draw."""
    rows = rows_in_turn(task, min(examples, len(task.y_train)), seed)
    return np.asarray(task.x_train[rows], np.float32), np.asarray(task.y_train)[rows]


def listed(given) -> list:
    """One thing, or several, as a list."""
    return [given] if isinstance(given, str | Task) else list(given)


def _rows(candidates: Sequence[Candidate], tasks: dict[str, Task], *, draws: int, **options) -> Iterator[Row]:
    """A row per candidate. A source is loaded when the first forecast of it has to be made, once for all of its rows."""
    contents = {name: content_of_task(task) for name, task in tasks.items()}
    for words, group in itertools.groupby(candidates, lambda one: one.source):
        source = lru_cache(1)(partial(_loaded, words))
        content = content_of(words)
        for candidate in group:
            start, task = time.perf_counter(), tasks[candidate.task]
            known = {"candidate": candidate._asdict(), "source": content, "task": contents[candidate.task]} | options
            try:
                found = tuple(
                    remembered(
                        known | {"draw": draw}, partial(_forecast, source, candidate, task, draw=draw, **options)
                    )
                    for draw in range(draws)
                )
                yield Row(candidate, found, time.perf_counter() - start)
            except (MrntkError, ValueError, TypeError, MemoryError) as error:
                problem = str(error) if isinstance(error, MrntkError) else first_line(error)
                yield Row(candidate, (), time.perf_counter() - start, problem)


def _loaded(words: str):
    name, settings = read_source(words)
    return load_source(name, **settings)


def _forecast(load: Callable, candidate: Candidate, task: Task, *, draw, examples, steps, loss, seed) -> Forecast:
    """One draw of examples and of random weights; the same for every candidate."""
    key_model, key_probe = jax.random.split(jax.random.fold_in(jax.random.key(seed), draw))
    drawn, labels = _drawn(task, examples, seed + draw)
    model, x = model_of(load(), candidate, task, drawn, labels, key_model)
    return forecast(model, x, task.one_hot(labels), key=key_probe, loss=loss, steps=steps)
