"""Draws, kernels, trainings, names in the cache and a piece of a figure, as hashes; for `test_environments`."""

import json
from pathlib import Path

import jax
import numpy as np

from figures.making.cells import compute, make_cells
from figures.making.registry import get_figure
from mrntk import DNN, FullyConnected, Reprogram, VisualPrompt, empirical_ntk, load_source, load_task, random_mapping
from mrntk.sources.small import random_network
from mrntk.support.cache import cache_folder
from mrntk.support.checkpoints import hash_of

FIGURE = "source_min_eigenvalue"  # a quick one that draws, trains and decomposes


def main():
    key = jax.random.key(1, impl="threefry2x32")  # a key says of which generator it is
    task = load_task("digits")
    x, y = task.draw(key, per_class=1)
    layer = FullyConnected(task.input_shape, (1, 10, 10), key=key)
    random = DNN((1, 10, 10), 12, depth=2, width=8, key=key)
    mapping = random_mapping(key, 12, 10)
    trained = load_source("dnn", task="digits", depth=2, width=8, seed=1, epochs=2, per_class=20)
    prompt = VisualPrompt(trained.input_shape, (6, 6))
    arrays = {
        "draw": (x, y),
        "input map": jax.tree.leaves(layer),
        "random source": jax.tree.leaves(random),
        "small source": jax.tree.leaves(random_network(1, 0)),
        "output map": jax.tree.leaves(mapping),
        "source by its seed": jax.tree.leaves(load_source("dnn", input_shape=(4,), num_outputs=2, depth=1, width=3)),
        "training": jax.tree.leaves(trained),
    }
    figure = get_figure(FIGURE)
    piece, *_ = make_cells(figure.path, "", figure.pieces(figure.parameters("smoke")), 0, Path())
    found = {name: hash_of(*(np.asarray(part, float) for part in parts)) for name, parts in arrays.items()}
    found["names in the cache"] = sorted(path.name for path in cache_folder("sources").iterdir())
    found["piece of a figure"] = compute(piece)["csv"], piece.store.name
    kernels = empirical_ntk(Reprogram(layer, random, mapping), x), empirical_ntk(Reprogram(prompt, trained), x)
    found["kernels"] = [
        kernel.ravel().tolist() for kernel in kernels
    ]  # to the rounding of float64, which threads change
    print(json.dumps(found))


if __name__ == "__main__":
    main()
