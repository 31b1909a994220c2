"""The checkers of notebook 09 refuse typical wrong answers with words that help, and accept right ones of other forms."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from notebooks.exercises import check

CHOICES = (10, 100, 1000)


def _accuracy(predict, x, y):
    return float(np.mean(predict(x).argmax(1) == y))


def _held_out(train, x, y):
    out = np.arange(len(x)) % 3 == 0
    found = {steps: _accuracy(train(x[~out], y[~out], steps), x[out], y[out]) for steps in CHOICES}
    return max(found, key=found.get)


def _linear(x, y, x_test, y_test):
    return (
        LogisticRegression(max_iter=1000).fit(x.reshape(len(x), -1), y).score(x_test.reshape(len(x_test), -1), y_test)
    )


def _honest(train, x, y, x_test, y_test):
    model = train(x, y, _held_out(train, x, y))
    return {
        "reprogrammed": _accuracy(model, x_test, y_test),
        "linear": _linear(x, y, x_test, y_test),
        "constant": np.mean(y_test == np.bincount(y).argmax()),
    }


def _other_form(train, x, y, x_test, y_test):
    """Folds instead of one held-out part, no training on all again, and a linear model on standardised pixels."""
    folds = [np.arange(len(x)) % 4 == k for k in range(4)]
    means = [np.mean([_accuracy(train(x[~f], y[~f], steps), x[f], y[f]) for f in folds]) for steps in CHOICES]
    model = train(x[~folds[0]], y[~folds[0]], CHOICES[int(np.argmax(means))])
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(x.reshape(len(x), -1), y)
    said = np.full(len(y_test), np.unique(y)[np.unique(y, return_counts=True)[1].argmax()])
    return {
        "reprogrammed": np.float64(_accuracy(model, x_test, y_test)),
        "linear": linear.score(x_test.reshape(len(x_test), -1), y_test),
        "constant": float((said == y_test).mean()),
    }


@pytest.mark.parametrize("answer", [_honest, _other_form])
def test_honest_right(answer):
    found = check("09.1", answer)
    assert found, found.words
    assert "By the test images it would have been" in found.words


def _with(**other):
    """The right answer but for what `other` says, by key a function of all that the answer was given."""

    def answer(*given):
        return _honest(*given) | {key: make(*given) for key, make in other.items()}

    return answer


def _by_test(train, x, y, x_test, y_test):
    return max(_accuracy(train(x, y, steps), x_test, y_test) for steps in CHOICES)


def _by_training(train, x, y, x_test, y_test):
    steps = max(CHOICES, key=lambda steps: _accuracy(train(x, y, steps), x, y))
    return _accuracy(train(x, y, steps), x_test, y_test)


def _on_training(train, x, y, x_test, y_test):
    return _accuracy(train(x, y, 10), x, y)


def _on_held_out(train, x, y, x_test, y_test):
    return _accuracy(train(x[1::2], y[1::2], 10), x[::2], y[::2])


def _trained_on_test(train, x, y, x_test, y_test):
    return _accuracy(train(x_test, y_test, 10), x_test, y_test)


def _not_tried(train, x, y, x_test, y_test):
    found = _accuracy(train(x, y, 10), x_test, y_test)
    return {"reprogrammed": found, "linear": _linear(x, y, x_test, y_test), "constant": np.mean(y_test == 0)}


def _without_baselines(train, *given):
    return {"reprogrammed": _by_test(train, *given)}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_with(reprogrammed=_by_test), "best on the test images"),
        (_with(reprogrammed=_by_training), "it was trained on"),
        (_with(reprogrammed=_on_training), "measured on training images"),
        (_with(reprogrammed=_on_held_out), "measured on training images"),
        (_with(reprogrammed=_trained_on_test), "one look at the very end"),
        (_not_tried, "how do you know"),
        (_without_baselines, "no 'linear' and no 'constant'"),
        (lambda *given: _by_test(*given), "dictionary"),
        (_with(linear=lambda t, x, y, xt, yt: _linear(x, y, x, y)), "images it was fitted to"),
        (_with(linear=lambda t, x, y, xt, yt: _linear(xt, yt, xt, yt)), "fitted to the test images"),
        (_with(linear=lambda *given: 0.2), "logistic regression has"),
        (_with(constant=lambda t, x, y, xt, yt: np.bincount(yt).max() / len(yt)), "TEST images"),
        (_with(constant=lambda *given: 1 / 3), "equal classes"),
        (_with(constant=lambda t, x, y, xt, yt: np.bincount(y).max() / len(y)), "too"),
        (lambda train, x, y, xt, yt: train(x[..., 0], y, 10), "take images"),
        (lambda train, x, y, xt, yt: train(x / 2, y, 10), "as they are"),
        (lambda train, x, y, xt, yt: train(x, y, 50), "the choices are"),
        (lambda train, x, y, xt, yt: train(x, y[::-1], 10), "lost their labels"),
    ],
)
def test_honest_wrong(answer, words):
    found = check("09.1", answer)
    assert not found and words in found.words, found.words


TINY = 3e-9


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.ones((3, 3)), "truly above 0"),
        (np.diag([TINY, 1.5, 1.5]), "diagonal right"),
        (0.9 * np.ones((3, 3)) + 0.1 * np.eye(3), "make the smallest smaller"),
        (np.ones((2, 2)), "3 x 3"),
        (2 * np.eye(3), "trace"),
        (np.triu(np.ones((3, 3))), "symmetric"),
        (np.diag([-0.5, 2, 1.5]), "truly above 0"),
    ],
)
def test_betrayed_wrong(answer, words):
    found = check("09.2", answer)
    assert not found and words in found.words, found.words


def test_betrayed_right():
    signs = np.array([1, -1, 1])
    assert check("09.2", np.ones((3, 3)) + TINY * np.eye(3))
    assert check("09.2", (1 - TINY) * np.outer(signs, signs) + TINY * np.eye(3))


def _normalised(weights, x, *, axis=0, relu=True, shift=True, seen=None):
    layers, h = [], x
    for number, weight in enumerate(weights):
        u = (np.maximum(h, 0) if number and relu else h) @ weight.T
        mean, spread = np.broadcast_to(u.mean(axis), u.shape[1:]), np.broadcast_to(u.std(axis), u.shape[1:])
        layers.append((weight / spread[:, None], -mean / spread if shift else 0 * mean))
        h = u if seen == "old" else (u - mean) / spread
    return layers


def _in_place(weights, x):
    layers = _normalised(weights, x)
    weights[0] /= 2
    return layers


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, x: [(one, np.zeros(len(one))) for one in w], "should be 0"),
        (lambda w, x: _normalised(w, x, seen="old"), "layer by layer"),
        (lambda w, x: _normalised(w, x, relu=False), "after the ReLU"),
        (lambda w, x: _normalised(w, x, axis=None), "own mean"),
        (lambda w, x: _normalised(w, x, shift=False), "should be 0"),
        (lambda w, x: [(one, shift * 1.0) for one, (_, shift) in zip(w, _normalised(w, x), strict=True)], "In layer 1"),
        (lambda w, x: _normalised(w, x)[:-1], "pairs"),
        (lambda w, x: [(one.T, shift) for one, shift in _normalised(w, x)], "should be (60, 12)"),
        (_in_place, "make new ones"),
        (lambda w, x: ..., "returned nothing"),
    ],
)
def test_fair_wrong(answer, words):
    found = check("09.3", answer)
    assert not found and words in found.words, found.words


def test_fair_right():
    def with_columns_and_a_small_number(weights, x):
        layers, h = [], x.T
        for number, weight in enumerate(weights):
            u = weight @ (h * (h > 0) if number else h)
            scale = 1 / np.sqrt(u.var(axis=1) + 1e-6)
            layers.append([scale[:, None] * weight, -scale * u.mean(axis=1)])
            h = scale[:, None] * (u - u.mean(axis=1, keepdims=True))
        return layers

    found = check("09.3", _normalised)
    assert found and "cosine" in found.words
    assert check("09.3", with_columns_and_a_small_number)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.eye(4), "best case"),
        (np.diag([4.0, 0, 0, 0]), "best case"),
        (np.ones((3, 3)), "4 x 4"),
        (2 * np.ones((4, 4)), "trace"),
        (np.kron(np.eye(2), np.ones((2, 2))), "one eigenvalue"),
        (4 * np.outer([0.8, 0.6, 0, 0], [0.8, 0.6, 0, 0]), "evenly"),
        (np.array([[1, 2, 0, 0], [2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "negative"),
        (np.triu(np.ones((4, 4))), "symmetric"),
    ],
)
def test_worst_wrong(answer, words):
    found = check("09.4", answer)
    assert not found and words in found.words


def test_worst_right():
    signs = np.array([1, -1, -1, 1])
    assert check("09.4", np.outer(signs, signs)) and check("09.4", np.ones((4, 4)))


def _estimator(draw, error=lambda s: s.std(ddof=1) / len(s) ** 0.5, mean=np.mean, extra=0):
    def hutchinson(matvec, n, probes, rng):
        samples = np.array([(z := draw(rng, n)) @ matvec(z) for _ in range(probes + extra)])
        return mean(samples), error(samples)

    return hutchinson


def _signs(rng, n):
    return rng.choice([-1.0, 1.0], size=n)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_estimator(lambda rng, n: rng.integers(0, 2, n).astype(float)), "+1 and -1"),
        (_estimator(lambda rng, n: rng.normal(size=n)), "+1 and -1"),
        (_estimator(_signs, error=lambda s: s.std(ddof=1)), "sqrt(B)"),
        (_estimator(_signs, error=lambda s: s.std(ddof=1) / len(s)), "times as much"),
        (_estimator(_signs, mean=np.sum), "MEAN"),
        (_estimator(_signs, extra=5), "one per probe"),
        (lambda matvec, n, probes, rng: 1.0, "standard error"),
    ],
)
def test_hutchinson_wrong(answer, words):
    found = check("09.5", answer)
    assert not found and words in found.words


def test_hutchinson_right_also_in_one_batch():
    def at_once(matvec, n, probes, rng):
        z = 2.0 * rng.integers(0, 2, size=(n, probes)) - 1
        samples = (z * matvec(z)).sum(0)
        return samples.mean(), samples.std(ddof=1) / probes**0.5

    assert check("09.5", _estimator(_signs)) and check("09.5", at_once)
