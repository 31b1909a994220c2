"""A shelf of sources: the forecast of each for the same task, as the number of examples, the horizon and the probe change."""

from functools import cache, partial

import jax
import matplotlib.pyplot as plt
import numpy as np

from mrntk.choosing.candidates import Candidate, model_of
from mrntk.choosing.scores import HORIZON, left_out_outputs, probed
from mrntk.model.input_maps import INPUT_MAPS
from mrntk.prediction.before_training import BeforeTraining, before_training
from mrntk.sources.small import HALF, random_network, trained_half_network
from mrntk.support.style import OKABE_ITO, share_interval, t_interval
from mrntk.tasks import load_task
from mrntk.tasks.task import rows_in_turn
from mrntk.widgets.view import Choice, Slider, Toggle, ViewModel, input_map_choice

TASK = "digits"
DEPTHS = (1, 2, 3, 4, 5)
SOURCES = {f"trained, depth {depth}": partial(trained_half_network, depth) for depth in DEPTHS} | {
    "random, depth 3": partial(random_network, 3, (0, 3), HALF)
}
STEPS = 500  # of the training that is forecast


@cache
def known(name: str, input_map: str, probe: bool, examples: int) -> BeforeTraining:
    """The kernel of a source behind a map, at the start or after the probe, and all that follows from it."""
    task = load_task(TASK)
    rows = rows_in_turn(task, examples, seed=0)
    x, labels = task.x_train[rows].astype(np.float32), task.y_train[rows]
    model, x = model_of(SOURCES[name](), Candidate(TASK, name, input_map), task, x, labels, jax.random.key(0))
    y = task.one_hot(labels)
    if probe:
        model = probed(model, x, y, key=jax.random.key(1), steps=STEPS)
    return before_training(model, x, y)


class ShelfView(ViewModel):
    """Which of six sources is forecast to do best, and which of them are ties."""

    title = "Six sources for the digits"
    alt = (
        "A horizontal bar for each of six sources, the best on top: the share of examples that are classified when they are left "
        "out, with a 95 percent interval. Darker bars are ties with the first; a dashed line marks guessing."
    )
    controls = {
        "input_map": input_map_choice("input map", ("vp", "fc"), "vp"),
        "examples": Choice("labelled examples", (20, 40), 40),
        "horizon": Slider("horizon λmax/ρ", 0, 5, HORIZON, 0.5, log=True),
        "probe": Toggle("after a probe", True),
    }

    def compute(self, *, input_map: str, examples: int, horizon: float, probe: bool) -> dict:
        right = {}
        for name in SOURCES:
            before = known(name, input_map, probe, examples)
            right[name] = (left_out_outputs(before, horizon=horizon).argmax(1) == before.y.argmax(1)).astype(float)
        order = sorted(SOURCES, key=lambda name: -right[name].mean())
        ties = [name for name in order if not t_interval(right[order[0]] - right[name])[0] > 0]
        return {
            "scores": {name: float(right[name].mean()) for name in order},
            "ends": {name: share_interval(right[name]) for name in order},
            "ties": ties, "input_map": input_map, "examples": examples, "horizon": horizon, "probe": probe,
            "guessing": 1 / before.y.shape[1],
        }  # fmt: skip

    def draw(self, data):
        figure, axis = plt.subplots(figsize=(5.6, 2.7))
        for place, (name, score) in enumerate(data["scores"].items()):
            axis.barh(-place, score, color=OKABE_ITO[0], alpha=0.9 if name in data["ties"] else 0.35)
            axis.plot(data["ends"][name], [-place] * 2, color="black", lw=1.2)
        axis.set_axisbelow(True)
        axis.axvline(data["guessing"], color="0.3", ls="--", lw=1)
        axis.set(xlim=(0, 1), xlabel="right when left out", yticks=-np.arange(len(SOURCES)), yticklabels=data["scores"])
        return figure

    def words(self, data) -> str:
        first, ties = next(iter(data["scores"])), len(data["ties"])
        said = (
            f"{INPUT_MAPS[data['input_map']].label}, {data['examples']} examples, horizon {data['horizon']:,.0f}, "
            f"{'after a probe' if data['probe'] else 'at the start'}: first is “{first}” with {data['scores'][first]:.0%}"
        )
        if ties == len(SOURCES):
            return said + "; all six may be the best, these examples do not tell them apart."
        if ties > 1:
            return said + f"; {ties} of {len(SOURCES)} may be the best, the others are behind by more than chance."
        return said + "; all others are behind it by more than chance."
