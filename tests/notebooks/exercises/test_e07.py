"""The checkers of notebook 07 accept what is right in another form, and refuse typical mistakes with words that help."""

import numpy as np

from notebooks.exercises import check, checkers

puzzle, split_of, toy_error = (getattr(checkers("07"), name) for name in ("puzzle", "split_of", "toy_error"))


def refused(number, *answers, words):
    result = check(number, *answers)
    assert not result and words in result.words, result.words


def first(decay, share=0.1):
    def steps_to_tenth(values, modes, eta, n):
        t = 0
        while (decay(t, values, eta, n) * modes**2).sum() > share * (modes**2).sum():
            t += 1
        return t

    return steps_to_tenth


def test_steps_to_tenth():
    right = first(lambda t, values, eta, n: (1 - eta * values / n) ** (2 * t))
    assert check("07.1", right)
    refused("07.1", first(lambda t, v, eta, n: np.abs(1 - eta * v / n) ** t), words="squared")
    refused("07.1", first(lambda t, v, eta, n: np.exp(-2 * t * eta * v / n)), words="gradient flow")
    refused("07.1", lambda *case: right(*case) + 1, words="FIRST")
    refused("07.1", lambda *case: 1000, words="is right")
    refused("07.1", 12, words="should be a function")


def test_steps_to_tenth_without_n():
    def without_n(values, modes, eta, n):
        for t in range(100_000):
            if ((1 - eta * values) ** (2 * t) * modes**2).sum() <= 0.1 * (modes**2).sum():
                return t
        return -1

    refused("07.1", without_n, words="mean over N")


def test_the_puzzle_is_one():
    across, within = split_of(*puzzle())
    assert across < -0.9 and abs(within) < 0.25


def test_confounder():
    def by_depth(x, y):
        return split_of(x, y)[0], np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)])

    def pooled(x, y):
        return split_of(x, y)[0], np.corrcoef(x.ravel(), y.ravel())[0, 1]

    assert check("07.2", split_of, "B") and check("07.2", by_depth, "B")
    refused("07.2", split_of, "A", words="SAME depth")
    refused("07.2", split_of, "C", words='"A" or "B"')
    refused("07.2", pooled, "B", words="mixes depths")
    refused("07.2", lambda x, y: split_of(x, y)[::-1], "B", words="order")
    refused("07.2", lambda x, y: split_of(x, y)[0], "B", words="two numbers")
    refused("07.2", lambda x, y: (pooled(x, y)[1], split_of(x, y)[1]), "B", words="mixes seeds")


def shares(x, y, *, own=False, through_zero=False):
    out = []
    for seed in range(len(x)):
        rest = np.delete(np.arange(len(x)), seed)
        slope, constant = np.polyfit(x[rest].ravel(), y[rest].ravel(), 1)
        middle = y[seed].mean() if own else y[rest].mean()
        if own:
            constant = middle - slope * x[seed].mean()
        if through_zero:
            slope, constant = (x[rest] * y[rest]).sum() / (x[rest] ** 2).sum(), 0.0
            middle = 0.0
        out.append(1 - ((y[seed] - constant - slope * x[seed]) ** 2).sum() / ((y[seed] - middle) ** 2).sum())
    return np.array(out)


def test_out_of_sample():
    assert check("07.3", shares)
    refused("07.3", lambda x, y: np.full(5, np.corrcoef(x.ravel(), y.ravel())[0, 1] ** 2), words="Leave the seed out")
    refused("07.3", lambda x, y: shares(x, y, own=True), words="constants too")
    refused("07.3", lambda x, y: shares(x, y, through_zero=True), words="forced through zero")
    refused("07.3", lambda x, y: shares(x, y).mean(), words="one number per seed")
    refused("07.3", lambda x, y: shares(x, y) ** 2, words="off by")


def test_toy_error_falls_like_one_over_alpha():
    for bend in (1.0, 4.0):
        np.testing.assert_allclose(toy_error(100.0, bend) * 100, toy_error(400.0, bend) * 400, rtol=0.05)


def test_alpha_for():
    def by_the_law(error_of, tolerance):
        alpha = 30.0
        for _ in range(3):
            alpha *= error_of(alpha) / (0.75 * tolerance)
        return alpha

    def by_the_square(error_of, tolerance):
        return 10 * (error_of(10) / tolerance) ** 0.5

    def search(error_of, tolerance):
        alpha = 1.0
        while error_of(alpha) > tolerance:
            alpha *= 1.2
        return alpha

    assert check("07.4", by_the_law)
    refused("07.4", by_the_square, words="above the")
    refused("07.4", search, words="more than 3 times")
    refused("07.4", lambda *_: 1e4, words="far more than needed")
    refused("07.4", lambda *_: -1, words="positive")
