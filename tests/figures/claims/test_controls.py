"""Controls: the rules find an effect that is there by construction, and none where depths or labels were exchanged."""

import jax
import numpy as np
import optax
import pandas as pd
import pytest

from figures.claims import NOT, REPRODUCED, UNTESTED, Part, judge, verdict_of, with_pairs
from figures.claims.controls import depth_sweep, permuted, spectra
from figures.claims.rules import CLAIMS
from figures.experiments.reprogramming import loss_and_accuracy
from figures.making.registry import committed_data
from mrntk import Reprogram, Watermark, fit
from mrntk.prediction.closed_form import mse
from mrntk.sources.kernel_machine import KernelMachine, relu_ntk
from mrntk.training import Plateau, late_losses

BY_ID = {one.id: one for one in CLAIMS}


@pytest.fixture(scope="module")
def better():
    """Deeper sources see more of the features that the target needs."""
    return depth_sweep(lambda depth: 4 * depth)


@pytest.fixture(scope="module")
def same():
    """Sources of all depths see the same features."""
    return depth_sweep(lambda depth: 12)


def parts_of(name: str, data) -> list[Part]:
    """The parts of a claim, without a look at how fragile they are."""
    return BY_ID[name].parts(with_pairs(data))


def verdict(name: str, data) -> str:
    return verdict_of(parts_of(name, data))


def outcomes(name: str, data) -> dict[str, str]:
    return {part.name: part.outcome for part in parts_of(name, data)}


def effects(parts: list[Part]) -> list[bool]:
    """For every part that is a slope, and can be tested: does its interval exclude zero?"""
    slopes = [part.interval for part in parts if not part.untestable and "no turn" not in part.name]
    return [low > 0 or high < 0 for low, high in slopes]


def test_an_effect_of_depth_in_linear_models_is_found(better):
    found = judge(BY_ID["fc_falls"], better)
    assert found.verdict == REPRODUCED and len(found.parts) == 10, [str(part) for part in found.parts]
    assert verdict("vp_does_not", better) == NOT
    assert set(outcomes("vp_fc_between", better).values()) == {"holds", "fails"}


def test_where_depth_does_nothing_no_fall_is_found(same):
    falls = {outcome for name, outcome in outcomes("fc_falls", same).items() if "no turn" not in name}
    assert "holds" not in falls and "fails" in falls
    flat = set(outcomes("vp_does_not", same).values())
    assert "fails" not in flat and "holds" in flat


def test_a_turn_is_seen(better):
    worse = better["depth"] == better["depth"].max()
    turned = better.assign(test_loss=better["test_loss"].where(~worse, 5 * better["test_loss"]))
    found = outcomes("fc_falls", turned)
    assert {outcome for name, outcome in found.items() if "no turn" in name} == {"fails"}


def test_depths_that_were_exchanged_decide_nothing(better):
    rng, by = np.random.default_rng(0), ("family", "source_task", "task", "map")
    found = [one for _ in range(20) for one in effects(parts_of("fc_falls", permuted(better, "depth", by, rng)))]
    assert len(found) == 160 and sum(found) < len(found) / 20


def test_exchanged_depths_decide_nothing_in_the_committed_data():
    """Fewer than one in twenty parts shows an effect."""
    rng, found = np.random.default_rng(1), []
    for name in (
        "ks_rises",
        "source_improves",
        "fc_falls",
        "vp_does_not",
        "vp_fc_between",
        "vgg_resnet_too",
        "accuracy_rises",
    ):
        data = committed_data(BY_ID[name].figure).rename(columns={"draw": "seed"})
        by = [column for column in ("architecture", "family", "source_task", "task", "map", "loss") if column in data]
        sources = data.drop_duplicates([*by, "depth", "seed"]) if name == "source_improves" else data
        found += [one for _ in range(10) for one in effects(parts_of(name, permuted(sources, "depth", by, rng)))]
    assert len(found) >= 50 and sum(found) < len(found) / 20, (sum(found), len(found))


def test_lambda_min_is_found_where_it_alone_differs():
    found = outcomes("lambda_min_does_it", spectra("lambda_min"))
    late = {name: outcome for name, outcome in found.items() if "Theta_T" in name and "100,000" in name}
    assert len(late) == 4 and set(late.values()) == {"holds"}
    assert {outcome for name, outcome in found.items() if "K_S" in name and "share" in name} == {
        "fails"
    }  # it is noise here


def test_the_labels_are_found_where_they_alone_differ():
    data = spectra("labels")
    found = outcomes("lambda_min_does_it", data)
    assert {outcome for name, outcome in found.items() if "after 100 steps" in name and "less" in name} == {"fails"}
    assert verdict("label_weighted_decides", data) == REPRODUCED


def test_a_lambda_min_that_is_zero_by_construction_is_not_testable():
    data = spectra("lambda_min", maps=("fc",)).assign(lambda_min=0.0, condition=0.0)
    found = judge(BY_ID["lambda_min_does_it"], data)
    assert found.verdict == UNTESTED and "lambda_min is 0" in found.parts[0].untestable
    beyond = judge(BY_ID["lambda_min_does_it"], spectra("lambda_min", maps=("fc",)).assign(trained=10))
    assert beyond.verdict == UNTESTED and "20 outputs are more than 10 trained values" in beyond.parts[0].untestable


def kernel_machine_run(share: float, seed: int) -> dict:
    """A kernel machine of which a share of the labels is wrong; the target is its own task, moved; a watermark can undo that."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(160, 2))
    classes = (x[:, 0] * x[:, 1] > 0).astype(int)
    given = classes[:80].copy()
    given[rng.permutation(80)[: round(share * 80)]] ^= 1
    machine = KernelMachine.fit(relu_ntk(3), x[:80], np.eye(2)[given], ridge=1.0)
    own = np.asarray(jax.vmap(machine)(x[80:]))
    model = Reprogram(Watermark((2,)), machine)
    data = [(x[part] + np.array([0.7, -0.5]), np.eye(2)[classes[part]]) for part in (slice(40, 80), slice(80, 160))]
    options = {
        "key": jax.random.key(seed),
        "optimiser": optax.adam(0.05),
        "epochs": 400,
        "until": Plateau(checks=(200, 400)),
    }
    found = fit(model, *data[0], **options)
    nine_tenths, end = late_losses(found.train_losses)
    losses = [loss_and_accuracy(found.model, *part, "mse") for part in data]
    return {
        "source_test_loss": mse(own - np.eye(2)[classes[80:]]),
        "source_test_accuracy": float((own.argmax(1) == classes[80:]).mean()),
        "loss_300": found.train_losses[min(300, found.epochs) - 1], "train_loss": losses[0][0], "nine_tenths_loss": nine_tenths,
        "end_loss": end, "constant_loss": 0.25, "steps": found.epochs, "test_loss": losses[1][0], "test_accuracy": losses[1][1],
    }  # fmt: skip


def test_a_better_kernel_machine_is_found_to_be_better():
    rows = [
        {"family": "dnn", "map": "vp", "way": "label noise", "strength": share, "seed": seed}
        | kernel_machine_run(share, seed)
        for seed in range(5)
        for share in (0.0, 0.15, 0.3, 0.45)
    ]
    data = pd.DataFrame(rows)
    found = judge(BY_ID["better_source"], data)
    assert found.verdict == REPRODUCED, [str(part) for part in found.parts]
    exchanged = permuted(data, "source_test_loss", ("family",), np.random.default_rng(3))
    assert "holds" not in {part.outcome for part in judge(BY_ID["better_source"], exchanged).parts}
    alike = data.assign(source_test_accuracy=0.9)
    assert "differ by 0.00 only" in judge(BY_ID["better_source"], alike).parts[0].untestable


def test_conditions_are_named_in_words(better):
    better = better[better["family"] == "dnn"]
    poor = better.assign(source_test_accuracy=np.where(better["depth"] == 2, 0.4, 0.9))
    for part in parts_of("fc_falls", poor)[:5]:
        assert "depth 2 of mnist5k → digits" in part.left_out and "classifies 0.40" in part.left_out
    unfinished = better.assign(end_loss=0.9 * better["nine_tenths_loss"])
    found = [part for part in parts_of("fc_falls", unfinished)[:5] if "at the end" in part.name]
    assert all("still changes its loss by 11.1%" in part.untestable for part in found)
    hopeless = better.assign(train_loss=1.0)
    assert "is not below the constant predictor's" in parts_of("fc_falls", hopeless)[1].untestable
    solved = better.assign(train_loss=1e-4, end_loss=1e-4, nine_tenths_loss=1e-4)
    assert "learn their examples to 1 %" in parts_of("fc_falls", solved)[1].untestable
