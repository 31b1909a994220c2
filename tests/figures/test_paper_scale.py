"""Every figure's paper scale runs from end to end, at small sizes, on archives in the formats of the real data sets.

What names something, such as a task, a network or a transformation, is the paper scale's; what counts something is the smoke
scale's. So a new figure is tested here as soon as it is there.
"""

import inspect
import json
from contextlib import contextmanager
from dataclasses import replace

import archives
import jax
import jaxtyping
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from figures.making import cells, registry, runner
from figures.making.settings import changed
from mrntk.sources.registry import SOURCES
from mrntk.sources.trained import FAMILIES
from mrntk.tasks import TASKS, remote

PRETRAINED = set(SOURCES) - set(FAMILIES)
SIDE = 16  # pixels of the photographs, once they are read
DOWNLOADED = ("cifar10", "stl10", "svhn", "imagenette")
OWN = sorted(name for name, figure in registry.discover().items() if figure.source.id == name)


def names(paper, smoke, before=()):
    """The same names, but one pretrained network alone is that of the smoke scale, and of several that cost the most only one.

    Those are pretrained networks, and tasks that are among the names `before`; of tasks that need no download, with which the
    other scales run, none where others are named, and one where not.
    """
    if isinstance(paper, str):
        return smoke if paper in PRETRAINED else paper
    if set(paper) <= set(before) & set(TASKS):
        return paper[:1]
    networks, here = ([name for name in paper if name in kind] for kind in (PRETRAINED, set(TASKS) - set(DOWNLOADED)))
    left_out = networks[1:] + here[0 if set(paper) & set(DOWNLOADED) else 1 :]
    return tuple(name for name in paper if name not in left_out)


def less(name: str, paper, smoke, before=()):
    """What stands for a value of the paper scale."""
    if isinstance(np.ravel(paper)[0] if np.size(paper) else "", str):
        return names(paper, smoke, before)
    return min(smoke, 2) if name == "seeds" else smoke


def small(figure) -> list[str]:
    """`--set` settings that leave of the paper scale what it names, and little of what it counts."""
    paper, smoke, settings, before = figure.parameters("paper"), figure.parameters("smoke"), [], []
    for name, value in paper.items():
        found = less(name, value, smoke[name], before)
        before += np.ravel(value).tolist()
        if found != value:
            settings.append(f"{name}={','.join(map(str, found)) if isinstance(found, tuple) else found}")
    return settings


@contextmanager
def little_optimising(quickly):
    """In place of what decides how hard XLA tries: for programs this small compiling is most of the work."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """A cache with the archives of all four data sets."""
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):  # as in the runner's workers
        patch.setenv("MRNTK_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(cells, "_compiling", little_optimising)
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as in the runner's workers
        for task in DOWNLOADED:
            archives.put_into_cache(task, patch)
            patch.setitem(TASKS, task, replace(TASKS[task], load=averaged_down(task)))
        yield


def averaged_down(task: str):
    """How the task is loaded here: read at its full size, then made small, since a layer for 96 x 96 pixels takes minutes."""
    return lambda **options: getattr(remote, task)(**options).resized(SIDE)


def run(name, out, settings):
    """(data, record) of that figure's paper scale with these settings, by the real runner."""
    figure, said = registry.get_figure(name), []
    paths = runner.run([name], scale="paper", settings=settings, out=out, jobs=1, say=said.append)
    assert len(paths) == 2 and all(path.stat().st_size > 5000 for path in paths), said
    (csv,) = out.glob(f"data/paper*/{name}.csv")
    record = json.loads(csv.with_suffix(".json").read_text())
    assert record["scale"] == "paper"
    assert record["parameters"] == json.loads(json.dumps(changed(figure.module.SCALES["paper"], settings)))
    return cells.from_csv(csv.read_text()), record


@pytest.mark.xdist_group("figures at paper scale")
@pytest.mark.parametrize("name", OWN)
def test_paper_scale_runs(name, downloaded, tmp_path):
    figure = registry.get_figure(name)
    data, record = run(name, tmp_path, small(figure))
    assert len(data) > 1 and figure.module.finds(data).strip()
    numbers = data.drop(columns=list(getattr(figure.module, "MISSING", ()))).select_dtypes("number")
    assert np.isfinite(numbers).all(axis=None)
    for parameter, column in (("task", "task"), ("source_task", "source_task")):
        if column in data and parameter in record["parameters"]:
            assert set(data[column]) <= set(np.atleast_1d(record["parameters"][parameter]))


@pytest.mark.xdist_group("figures at paper scale")
def test_ten_classes_of_imagenet(downloaded, tmp_path):
    """The source task of the authors' VGG and ResNet, which a reader sets in place of CIFAR-10."""
    settings = [*small(registry.get_figure("vgg_resnet")), "source_task=imagenette", "family=resnet"]
    data, record = run("vgg_resnet", tmp_path, settings)
    assert record["parameters"]["source_task"] == "imagenette" and np.isfinite(data["train_loss"]).all()


@pytest.mark.parametrize("task", DOWNLOADED)
def test_archives_are_read(task, downloaded):
    found = getattr(remote, task)()
    assert found.x_train.shape[1:] == found.card.shape and np.bincount(found.y_train).min() >= 4
    assert len(found.x_test) and 0 <= found.x_train.min() < 0.1 < 0.9 < found.x_train.max() <= 1


@pytest.mark.parametrize("name", OWN)
def test_every_piece_is_one_that_compute_takes(name):
    """All pieces at the paper's true sizes, not computed; and those that are computed above name the same downloads."""
    figure = registry.get_figure(name)
    pieces = figure.pieces(figure.parameters("paper"))
    assert len({json.dumps(piece) for piece in pieces}) == len(pieces)
    for piece in pieces:
        inspect.signature(figure.module.compute).bind(None, **piece)
    few = figure.pieces(figure.parameters("paper", small(figure)))
    assert few[0].keys() == pieces[0].keys() and len(few) <= len(pieces)
    named, all_named = (
        {name for piece in some for name in DOWNLOADED if name in json.dumps(piece)} for some in (few, pieces)
    )
    assert named == all_named


def test_what_is_small():
    assert less("width", 2048, 32) == 32 and less("depth", (1, 2, 3), (1, 2)) == (1, 2) and less("seeds", 5, 3) == 2
    assert names(("cifar10", "stl10"), ("digits",)) == ("cifar10", "stl10")
    assert names(("digits", "mnist5k", "svhn"), ("digits",)) == ("svhn",)
    assert names(("digits", "mnist5k"), ("digits",)) == ("digits",)
    assert names(("stl10", "svhn"), ("digits",), ["cifar10", "stl10", "svhn"]) == ("stl10",)
    assert names("crepe-full", "crepe-tiny") == "crepe-tiny"
    assert names(("random", "efficientnet-lite0", "efficientnet-lite1"), ()) == ("random", "efficientnet-lite0")
