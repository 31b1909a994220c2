"""The checkers of notebook 08 accept what is right in another form, and refuse typical mistakes with words that help."""

import numpy as np

from notebooks.exercises import check, checkers

puzzle, split_of = checkers("08").puzzle, checkers("08").split_of
audited, first_sweep = checkers("08").audited, checkers("08").first_sweep


def refused(number, *answers, words):
    result = check(number, *answers)
    assert not result and words in result.words, result.words


def test_the_first_sweep_hangs_on_depth_1():
    depths, losses = first_sweep()
    slope, without, turns = audited(depths, np.log(losses).mean(1))
    np.testing.assert_allclose([slope, without[0]], [0.081, -0.122], atol=0.002)
    assert turns == [1]


def by_covariance(depths, losses):
    def slope(x, y):
        return np.cov(x, y)[0, 1] / np.var(x, ddof=1)

    runs = np.log(losses).T
    each = [np.mean([slope(np.delete(depths, k), np.delete(run, k)) for run in runs]) for k in range(len(depths))]
    whole = np.mean([slope(depths, run) for run in runs])
    return whole, each, np.array([depth for depth, one in zip(depths, each, strict=True) if (one > 0) != (whole > 0)])


def test_audit():
    def other(change):
        return lambda depths, losses: change(depths, losses, *audited(depths, np.log(losses).mean(1)))

    assert check("08.1", by_covariance, 1) and check("08.1", by_covariance, np.int64(1))
    refused("08.1", by_covariance, 2, words="first_sweep")
    refused("08.1", lambda d, x: audited(d, x.mean(1)), 1, words="logarithm first")
    refused("08.1", lambda d, x: audited(d, np.log(x.mean(1))), 1, words="the mean over runs afterwards")
    refused("08.1", lambda d, x: audited(d, np.log(x).mean(1))[0], 1, words="three things")
    refused("08.1", other(lambda d, x, s, w, t: (s, [s] * len(d), t)), 1, words="really left out")
    refused("08.1", other(lambda d, x, s, w, t: (s, w[::-1], t)), 1, words="one depth left out is off")
    refused("08.1", other(lambda d, x, s, w, t: (s, w, d[w * s > 0])), 1, words="STAYS")
    refused("08.1", other(lambda d, x, s, w, t: (s, w, [d.tolist().index(one) for one in t])), 1, words="themselves")
    refused("08.1", other(lambda d, x, s, w, t: (s, w, d)), 1, words="the sign turns without")
    refused("08.1", other(lambda d, x, s, w, t: (s + 1, w, t)), 1, words="slope with all depths")


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
