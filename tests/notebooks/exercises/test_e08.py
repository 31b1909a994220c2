"""The checkers of notebook 08 accept what is right in another form, and refuse typical mistakes with words that help."""

import numpy as np

from notebooks.exercises import check, checkers

puzzle, split_of = checkers("08").puzzle, checkers("08").split_of


def refused(number, *answers, words):
    result = check(number, *answers)
    assert not result and words in result.words, result.words


def test_the_puzzle_is_one():
    across, within = split_of(*puzzle())
    assert across < -0.9 and abs(within) < 0.25


def test_confounder():
    def by_depth(x, y):
        return split_of(x, y)[0], np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)])

    def pooled(x, y):
        return split_of(x, y)[0], np.corrcoef(x.ravel(), y.ravel())[0, 1]

    assert check("08.2", split_of, "B") and check("08.2", by_depth, "B")
    refused("08.2", split_of, "A", words="SAME depth")
    refused("08.2", split_of, "C", words='"A" or "B"')
    refused("08.2", pooled, "B", words="mixes depths")
    refused("08.2", lambda x, y: split_of(x, y)[::-1], "B", words="order")
    refused("08.2", lambda x, y: split_of(x, y)[0], "B", words="two numbers")
    refused("08.2", lambda x, y: (pooled(x, y)[1], split_of(x, y)[1]), "B", words="mixes seeds")


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
    assert check("08.3", shares)
    refused("08.3", lambda x, y: np.full(5, np.corrcoef(x.ravel(), y.ravel())[0, 1] ** 2), words="Leave the seed out")
    refused("08.3", lambda x, y: shares(x, y, own=True), words="constants too")
    refused("08.3", lambda x, y: shares(x, y, through_zero=True), words="forced through zero")
    refused("08.3", lambda x, y: shares(x, y).mean(), words="one number per seed")
    refused("08.3", lambda x, y: shares(x, y) ** 2, words="off by")
