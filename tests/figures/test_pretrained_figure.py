"""The figure of pretrained models: its own functions on inputs whose answers are known, and drawing from made-up numbers."""

import itertools
from types import SimpleNamespace

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from figures.claims import rules
from figures.making.registry import get_figure
from mrntk.model.input_maps import Identity
from mrntk.model.output_maps import LinearOutput
from mrntk.model.reprogram import Reprogram
from mrntk.spectrum import spectrum

FIGURE = get_figure("real_models").module
RNG = np.random.default_rng(0)


def test_cells_are_one_training_each_and_the_linear_models_once():
    pieces = FIGURE.cells(source=("a",), task=("t", "u"), seeds=3, map=("fc", "vp"), twin=("vp",), side=64)
    kinds = [(piece["map"], piece["way"]) for piece in pieces[::6]]
    assert kinds == [("none", "baselines"), ("fc", "reprogrammed"), ("vp", "reprogrammed"), ("vp", "untrained")]
    assert len(pieces) == 4 * 2 * 3 == len({tuple(piece.items()) for piece in pieces})
    assert all(piece["side"] == 64 and "seeds" not in piece for piece in pieces)


def test_rates_are_the_authors_first_and_fall_to_nothing_at_the_end():
    theta = {"weight": jnp.zeros(1)}
    optimiser = FIGURE.falling_optimiser(10, 0.5, 0.01)
    state, sizes = optimiser.init(theta), []
    for _ in range(11):
        updates, state = optimiser.update({"weight": jnp.ones(1)}, state, theta)
        sizes.append(-float(updates["weight"][0]))
    np.testing.assert_allclose(sizes[:6], 0.01, rtol=1e-3)
    np.testing.assert_allclose(sizes[6:], 0.005 * (1 + np.cos(np.pi * np.arange(1, 6) / 5)), rtol=1e-3, atol=1e-9)


def test_learnable_is_the_share_of_the_labels_along_large_eigenvalues():
    vectors = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    kernel = vectors @ np.diag([100.0, 20.0, 0.5, 0.1]) @ vectors.T
    labels = (vectors @ np.sqrt([0.1, 0.2, 0.3, 0.4])).reshape(2, 2)
    before = SimpleNamespace(spectrum=spectrum(kernel, vectors=True), labels=labels)
    shares = [FIGURE.learnable(before, steps) for steps in (1, 10, 300, 10_000)]
    np.testing.assert_allclose(shares, [0.1, 0.3, 0.6, 1.0], rtol=1e-6)


def test_a_prompt_is_mapped_by_bayes_in_the_first_epochs_and_a_layer_once():
    x, labels = np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1])
    model = Reprogram(Identity(), lambda s: s, LinearOutput(jnp.zeros((2, 4))))
    bayes, once = FIGURE.mapping("vp", x, labels, 3), FIGURE.mapping("fc", x, labels, 3)
    assert [bayes(epoch, model) is None for epoch in range(5)] == [False] * 3 + [True] * 2
    assert [once(epoch, model) is None for epoch in range(3)] == [False, True, True]
    np.testing.assert_allclose(bayes(0, model).output_map.matrix, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(once(0, model).output_map.matrix, [[1, 0, 0, 0], [0, 0, 1, 0]])


def test_only_grey_images_lose_their_copies():
    grey = np.repeat(RNG.uniform(size=(2, 1, 4, 4)), 3, axis=1)
    assert FIGURE.without_copies(grey).shape == (2, 1, 4, 4)
    grey[0, 0, 0, 0] += 1
    assert FIGURE.without_copies(grey).shape == (2, 3, 4, 4)


def made_up(accuracies: dict, sources=("efficientnet-lite0",), tasks=("mnist5k", "fashion5k"), seeds=3) -> pd.DataFrame:
    """Data as `compute` gives them, with these test accuracies by (map, way) and a little noise; a test's, never committed."""
    rows = []
    for (name, way), value in accuracies.items():
        for source, task, seed in itertools.product(sources, tasks, range(seeds)):
            found = {("test_accuracy", 0): value + 0.001 * RNG.normal(), ("train_accuracy", 0): 1.0}
            half = found["test_accuracy", 0] - 0.01
            if name != "none":
                found |= {("eigenvalue", i): 10.0 / i for i in (1, 2, 4)} | {("constant_loss", 0): np.log(10)}
                found |= {
                    ("steps", 0): 100,
                    ("learnable", 0): 0.5,
                    ("train_loss", 0): 0.02,
                    ("half_test_accuracy", 0): half,
                    ("effective_rank", 0): 7,
                    ("test_loss", 0): 0.4,
                }
            place = {"source": source, "task": task, "map": name, "seed": seed, "way": way}
            rows += [place | {"quantity": q, "index": i, "value": v} for (q, i), v in found.items()]
    return pd.DataFrame(rows)


BASELINES = {("none", "linear"): 0.8, ("none", "probe"): 0.7, ("none", "feature_probe"): 0.9}
TRAINED = {("fc", "reprogrammed"): 0.85, ("fc", "untrained"): 0.6, ("vp", "reprogrammed"): 0.5}


def test_verdicts_compare_with_every_simpler_model_and_leave_out_a_twin_that_was_not_trained():
    table = FIGURE.verdicts(made_up(TRAINED | BASELINES)).set_index(["task", "map"])
    assert len(table) == 4
    fc, vp = table.loc[("mnist5k", "fc")], table.loc[("mnist5k", "vp")]
    assert fc["above_linear"] == pytest.approx(0.05, abs=0.01) and fc["beats_untrained"] and fc["beats_probe"]
    assert vp["above_linear"] == pytest.approx(-0.3, abs=0.01) and not vp["beats_linear"] and not vp["beats_untrained"]
    assert np.isnan(vp["untrained"])


def test_what_is_found_names_the_losers_and_their_numbers():
    words = FIGURE.finds(made_up(TRAINED | BASELINES))
    assert "linear on raw images in 2 of 4" in words and "the same network untrained in 2 of 2" in words
    assert "VP classifies 1.00 of its training and 0.50 of the test images" in words and "FC classifies" not in words
    assert "100% end with nothing left to learn" in words
    early = made_up(TRAINED | BASELINES)
    early.loc[(early["quantity"] == "train_loss") & (early["map"] == "vp"), "value"] = 1.0
    words = FIGURE.finds(early)
    assert (
        "50% end with nothing left to learn; half of the epochs would have given the others -0.010 of test accuracy"
        in words
    )
    assert "its loss ends at 0.43 of the constant predictor's" in words


def test_the_committed_rules_can_read_these_data():
    data = made_up(TRAINED | BASELINES)
    parts = rules._pretrained_parts(data, [("untrained", "twin"), ("linear", "linear"), ("probe", "probe")])
    assert len(parts) == 5 and not any(part.untestable for part in parts)
    short = data.assign(value=data["value"].where(data["quantity"] != "half_test_accuracy", 0.8))
    fc, vp = rules._pretrained_parts(short, [("linear", "linear")])
    assert "trained half as long" in fc.untestable and "trained half as long" in vp.untestable


@pytest.mark.parametrize("sources", [("efficientnet-lite0",), ("efficientnet-lite0", "efficientnet-lite2")])
def test_it_is_drawn_whatever_was_trained(sources):
    figure = FIGURE.render(made_up(TRAINED | BASELINES, sources))
    assert len(figure.axes) == 3 and all(axis.has_data() for axis in figure.axes)
    assert len(figure.axes[0].get_xticklabels()) == 2 * len(sources)
    plt.close(figure)


def test_tasks_whose_trainings_have_not_ended_are_left_out():
    """As for time series, where there are no trainings of half the length; the twin has to have ended as well."""
    tasks = ("a", "b", "c", "d")
    data = made_up(TRAINED | BASELINES, tasks=tasks).query("quantity != 'half_test_accuracy'")
    data = data.assign(quantity=data["quantity"].replace({"train_loss": "end_loss"}))
    ends = data[data["quantity"] == "end_loss"].assign(quantity="nine_tenths_loss")
    others = [("untrained", "twin"), ("linear", "linear")]
    parts = {part.name: part for part in rules._pretrained_parts(pd.concat([data, ends]), others)}
    assert {part.outcome for part in parts.values()} == {"holds", "fails"} and len(parts) == 3

    def moving(way, tasks):
        late = ends["way"].eq(way) & ends["task"].isin(tasks) & ends["map"].eq("fc")
        ended = (
            (data["quantity"] == "end_loss") & (data["map"] == "fc") & (data["way"] == way) & data["task"].isin(tasks)
        )
        return pd.concat(
            [data.assign(value=data["value"].where(~ended, 1.0)), ends.assign(value=ends["value"].where(~late, 2.0))]
        )

    twin, linear, vp = rules._pretrained_parts(moving("untrained", ("a",)), others)
    assert "a: the last tenth" in twin.left_out and not linear.left_out and not vp.left_out
    twin, linear, vp = rules._pretrained_parts(moving("reprogrammed", ("a", "b")), others)
    assert "b: the last tenth" in twin.untestable and "a: the last tenth" in linear.untestable and not vp.untestable
