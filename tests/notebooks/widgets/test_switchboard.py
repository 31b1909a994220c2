"""The switchboard: its numbers are those of `mrntk.theory`, every setting works, the words name what kills the bound."""

import itertools

import numpy as np
import pytest

from mrntk import MrntkError, Reprogram, predict_float64
from mrntk.sources.kernel_machine import KernelMachine, feature_kernel
from mrntk.support.style import style
from mrntk.theory import bound
from notebooks.widgets import switchboard
from notebooks.widgets.switchboard import FEATURES, MOST, SwitchboardView, source_features

VIEW = SwitchboardView()


def model(features, input_map, ridge):
    """The view's model as the theory takes it."""
    kernel, y = feature_kernel(source_features(features)), switchboard.source_labels("one-hot")
    source = KernelMachine.fit(kernel, switchboard._draws()["x_s"], y, ridge=ridge)
    return Reprogram(switchboard.input_maps()[input_map], source)


@pytest.mark.parametrize(
    "features, input_map, n, ridge",
    [
        ("smooth", "fc", 3, 0.0),
        ("ReLU, few", "vp", 2, 0.0),
        ("smooth, many", "watermark", 3, 0.01),
    ],
)
def test_factors_and_truth_are_those_of_the_theory(features, input_map, n, ridge):
    found = VIEW.data(features=features, input_map=input_map, n=n, ridge=ridge)
    expected = bound(model(features, input_map, ridge), switchboard.target_inputs(input_map)[:n])
    for name, value in (
        ("theta_a", expected.theta_a),
        ("theta_s_a", expected.theta_s_a.min()),
        ("theta_s_b", expected.theta_s_b),
        ("product", expected.product),
        ("truth", expected.theta_t),
    ):
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-13), name
    assert (found["product"] == 0) == expected.vacuous


def test_no_bound_exceeds_the_truth_and_zeros_have_reasons():
    """All settings; extreme values of every control among them."""
    for features, input_map, n, labels, ridge in itertools.product(
        FEATURES, ("fc", "vp", "watermark"), (1, 2, 5, 6, MOST), ("one-hot", "centred"), (0.0, 1.0)
    ):
        place = {"features": features, "input_map": input_map, "n": n, "labels": labels, "ridge": ridge}
        found = VIEW.data(**place)
        assert found["product"] <= found["truth"] * (1 + 1e-9), place
        assert (found["hadamard"] or 0) <= found["truth"] * (1 + 1e-9), place
        assert bool(found["killers"]) == (found["product"] == 0), place
        assert found["truth"] == 0 or found["outputs"] <= found["trained"], place  # the capacity law
        assert ("Theta_S^b" in found["killers"]) == (labels == "centred"), place
        assert ("Theta_A" in found["killers"]) == (
            (input_map == "fc" and n > 5) or input_map == "vp" or (input_map == "watermark" and n > 1)
        ), place
        many = FEATURES[features][0] > 16
        assert ("Theta_S^A" in found["killers"]) == (many or "bias" in features or "ReLU" in features), place


def test_ridge_zero_and_the_scale_of_the_kernel():
    """Features times sqrt(7): Theta_S^A times 7, Theta_S^b over 7, the product as before."""
    x_s, y = switchboard._draws()["x_s"], switchboard.source_labels("one-hot")
    found = predict_float64(source_features("smooth"), x_s)
    smallest = [
        np.linalg.eigvalsh(k)[0] * np.linalg.eigvalsh(y.T @ np.linalg.solve(k, y))[0]
        for k in (found @ found.T, 7 * found @ found.T)
    ]
    assert smallest[0] == pytest.approx(smallest[1])
    assert VIEW.data(assume=True)["theta_s_b"] * VIEW.data()["k_s"] == pytest.approx(smallest[0])


def test_assumption_puts_another_factor_in_its_place():
    true, assumed = (VIEW.data(features="smooth, many", n=3, assume=on) for on in (False, True))
    assert true["product"] == 0 < assumed["product"]
    assert assumed["product"] == pytest.approx(assumed["theta_a"] * assumed["k_s"] * assumed["theta_s_b"])
    assert "Assumption 3 fails" in VIEW.words(assumed) and "Assumption 3" not in VIEW.words(true)
    assert "Assumption 3 holds" in VIEW.words(VIEW.data(features="smooth", assume=True))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({}, ("No factor is 0", "Hadamard bound gives")),
        ({"n": 6}, ("lambda_min[Theta_A] = 0", "d_T + 1 = 5")),
        ({"input_map": "vp", "n": 1}, ("leaves the pixels of the window out",)),
        ({"input_map": "vp", "n": 7}, ("does not depend on x", "capacity law excludes")),
        ({"input_map": "watermark", "n": 2}, ("moves all inputs alike",)),
        ({"features": "smooth, many"}, ("40 x 40 but of rank at most d_S = 16",)),
        ({"features": "linear with bias"}, ("row of J is zero",)),
        ({"features": "ReLU, few"}, ("units are off",)),
        ({"features": "linear"}, ("same gradients at every input",)),
        ({"labels": "centred"}, ("labels of every source input sum to zero", "outputs sum to zero")),
        ({"n": 9}, ("18 gradients of d_S = 16 entries",)),
    ],
)
def test_words_name_what_kills_the_bound(changes, words):
    said = VIEW.words(VIEW.data(**changes))
    assert all(part in said for part in words), said


def test_words_when_an_assumed_bound_is_false():
    data = VIEW.data(assume=True) | {"truth": 1e-9}
    assert "no lower bound any more" in VIEW.words(data)
    assert "which is 0" in VIEW.words(data | {"truth": 0.0, "hadamard": None})


@pytest.mark.parametrize("changes", [{}, {"n": MOST, "labels": "centred"}, {"features": "saturating"}])
def test_draws(changes):
    data = VIEW.data(**changes)
    with style():
        figure = VIEW.draw(data)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("0: vacuous") == sum(
        data[key] == 0 for key in ("theta_a", "theta_s_a", "theta_s_b", "product")
    ) + (data["hadamard"] == 0)
    figure.clear()


def test_impossible_values_are_refused():
    with pytest.raises(MrntkError, match="n=13"):
        VIEW.data(n=13)
