"""Matrix-free estimates: the bars hold over many keys, the numbers come from the key alone, bad arguments are named."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.spectrum.density import density_of_states
from mrntk.spectrum.estimates import flat, largest_eigenvalues, trace

SIZE = 60
SPECTRA = {
    "decades": np.geomspace(1e-6, 1, SIZE),
    "outlier": np.append(np.linspace(0.1, 1, SIZE - 1), 500.0),
    "low rank": np.append(np.zeros(SIZE - 8), np.geomspace(0.01, 10, 8)),
    "repeated": np.repeat(np.geomspace(0.01, 10, 15), 4),
}


class Dense(eqx.Module):
    """v -> K v, compiled once for all K of a size."""

    matrix: np.ndarray

    def __call__(self, v):
        return self.matrix @ v


def operator(values, seed=0):
    """v -> K v for a K with these eigenvalues and random eigenvectors."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    matrix = q * values @ q.T
    return Dense((matrix + matrix.T) / 2)


def inside(estimate, true):
    return (estimate.low <= true) & (true <= estimate.high)


@pytest.mark.parametrize("name", SPECTRA)
def test_largest_eigenvalues_lie_within_their_bounds(name):
    matvec, expected = operator(SPECTRA[name]), np.sort(SPECTRA[name])[::-1]
    for k, seed in [(1, 0), (1, 1), (7, 2), (7, 3)]:
        found = largest_eigenvalues(matvec, SIZE, k, jax.random.key(seed))
        assert inside(found, expected[:k]).all()
        assert (found.high - found.low).max() < 1e-7 * expected[0]
        assert (found.value <= expected[:k] + 1e-12 * expected[0]).all()


def test_bounds_hold_and_are_not_idle_when_the_tolerance_is_loose():
    values = np.linspace(0, 1, 300) ** 3
    matvec, expected = operator(values), np.sort(values)[::-1][:3]
    for seed in range(5):
        found = largest_eigenvalues(matvec, 300, 3, jax.random.key(seed), order=120, tolerance=1e-3)
        assert inside(found, expected).all()
        assert np.abs(found.value - expected).max() > 300 * 1e-14  # what rounding alone would leave


def test_every_copy_of_an_eigenvalue_is_found():
    values = np.append(np.linspace(0, 1, 197), [1.1, 1.2, 1.2])  # one run settles on 1.2, 1.1 and misses the copy
    found = largest_eigenvalues(operator(values), 200, 2, jax.random.key(0), tolerance=1e-5)
    assert inside(found, np.array([1.2, 1.2])).all()
    found = largest_eigenvalues(lambda v: v, 12, 4, jax.random.key(0))
    np.testing.assert_allclose(found.value, np.ones(4), atol=1e-13)
    assert largest_eigenvalues(lambda v: 0 * v, 12, 12, jax.random.key(0)).value.shape == (12,)


@pytest.mark.parametrize("name, deflate", [("decades", 0), ("decades", 10), ("outlier", 10)])
def test_trace_interval_covers(name, deflate):
    matvec, true = operator(SPECTRA[name]), SPECTRA[name].sum()
    found = [trace(matvec, SIZE, jax.random.key(seed), 20, deflate=deflate) for seed in range(200)]
    covered = np.mean([inside(estimate, true) for estimate in found])
    assert 0.9 <= covered <= 0.99  # nominal 0.95; above, the bars would be idle
    errors = np.array([estimate.value - true for estimate in found])
    assert abs(errors.mean()) < 4 * errors.std() / 200**0.5  # unbiased


def test_trace_is_exact_where_the_deflated_part_holds_everything():
    for name, deflate in [("low rank", 10), ("decades", SIZE)]:
        estimate, true = (
            trace(operator(SPECTRA[name]), SIZE, jax.random.key(0), 2, deflate=deflate),
            SPECTRA[name].sum(),
        )
        assert inside(estimate, true) and estimate.high - estimate.low < 1e-10 * true


def smoothed(values, grid, width):
    positive = values[values > 0]
    distance = (np.log10(grid)[:, None] - np.log10(positive)) / width
    return np.exp(-(distance**2) / 2).sum(1) / (len(values) * width * (2 * np.pi) ** 0.5)


@pytest.mark.parametrize("order", [SIZE, 12])
@pytest.mark.parametrize("name", SPECTRA)
def test_density_of_states_lies_within_its_bars(name, order):
    values, matvec, grid = SPECTRA[name], operator(SPECTRA[name]), np.geomspace(3e-7, 2e3, 30)
    cumulative = np.searchsorted(np.sort(values), grid, side="right") / SIZE
    density = smoothed(values, grid, 0.2)
    hits = []
    for seed in range(40):
        found = density_of_states(matvec, SIZE, jax.random.key(seed), 8, order, grid, width=0.2)
        hits.append([inside(found.cumulative, cumulative), inside(found.density, density)])
        assert (inside(found.cumulative, found.cumulative.value) & inside(found.density, found.density.value)).all()
    covered = np.mean(hits, axis=0)
    assert covered.min() >= 0.82  # each grid point by itself: 0.95 less 4 standard deviations over 40 keys
    assert covered.mean() >= 0.92
    if order == SIZE and name == "decades":
        assert covered[0].mean() <= 0.99  # the bars are not idle


def test_density_is_the_derivative_of_the_cumulative_density():
    found = density_of_states(
        operator(SPECTRA["decades"]), SIZE, jax.random.key(0), 4, SIZE, np.geomspace(1e-9, 1e3, 400)
    )
    area = np.trapezoid(found.density.value, np.log10(found.grid))
    assert (area, found.cumulative.value[-1]) == (pytest.approx(1, abs=1e-3), pytest.approx(1))


def test_the_default_grid_spans_the_positive_eigenvalues():
    found = density_of_states(operator(SPECTRA["low rank"]), SIZE, jax.random.key(0))
    assert (found.grid[0], found.grid[-1]) == (pytest.approx(0.009), pytest.approx(11))
    assert found.cumulative.low[0] <= 52 / 60 <= found.cumulative.high[0]  # the zero eigenvalues lie below the grid


def test_flat_takes_operators_on_arrays_in_the_order_of_the_matrix(key):
    weight = np.random.default_rng(0).normal(size=(4, 3, 4, 3))
    kernel = weight + weight.transpose(2, 3, 0, 1)
    matvec = flat(lambda w: jnp.einsum("icjd,jd->ic", kernel, w), 4, 3)
    v = np.random.default_rng(1).normal(size=12)
    with jax.enable_x64(True):
        np.testing.assert_allclose(matvec(v), kernel.reshape(12, 12) @ v, rtol=1e-13)
    found = largest_eigenvalues(matvec, 12, 2, key)
    np.testing.assert_allclose(found.value, np.linalg.eigvalsh(kernel.reshape(12, 12))[::-1][:2], rtol=1e-12)


def test_the_key_alone_decides_and_the_process_stays_in_float32(key):
    matvec = operator(SPECTRA["decades"])
    assert trace(matvec, SIZE, key) == trace(matvec, SIZE, key)
    one, two = (density_of_states(matvec, SIZE, key, 8, 12, width=0.3) for _ in range(2))
    np.testing.assert_array_equal(one.density.high, two.density.high)
    one, two = (largest_eigenvalues(matvec, SIZE, 7, key) for _ in range(2))
    np.testing.assert_array_equal(one.high, two.high)
    assert trace(matvec, SIZE, key) != trace(matvec, SIZE, jax.random.key(8))
    assert one.value.dtype == np.float64 and jnp.ones(2).dtype == jnp.float32


EYE = np.eye(4)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda key: largest_eigenvalues(lambda v: v, 4, 5, key), "k=5: ask for 1 to size=4"),
        (lambda key: largest_eigenvalues(lambda v: v, 4, 0, key), "k=0"),
        (lambda key: largest_eigenvalues(lambda v: v, 4, 3, key, order=2), "order=2: k=3 eigenvalues need at least"),
        (
            lambda key: largest_eigenvalues(operator(SPECTRA["decades"]), SIZE, 3, key, order=4),
            "order=4: .* raise order",
        ),
        (lambda key: trace(lambda v: v, 4, key, 1), "probes=1: error bars need at least 2"),
        (lambda key: trace(lambda v: v, 4, key, level=1.0), "level=1.0"),
        (lambda key: trace(lambda v: v, 4, key, deflate=-1), "deflate=-1"),
        (lambda key: trace(lambda v: v, 0, key), "size=0"),
        (lambda key: density_of_states(lambda v: v, 4, key, 1), "probes=1"),
        (lambda key: density_of_states(lambda v: v, 4, key, order=0), "order=0"),
        (lambda key: density_of_states(lambda v: v, 4, key, width=0.0), "width=0.0"),
        (lambda key: density_of_states(lambda v: v, 4, key, grid=np.array([1.0, 0.5])), "grid must be positive"),
        (lambda key: density_of_states(lambda v: 0 * v, 4, key), "matvec has no positive eigenvalue"),
        (lambda key: trace(lambda v: v * jnp.nan, 4, key), "matvec returns NaN"),
        (
            lambda key: trace(lambda v: v[:3], 4, key),
            r"matvec returns .*\(3,\).*it must return float64 of the same shape",
        ),
        (lambda key: trace(lambda v: v.astype(jnp.float32), 4, key), "matvec returns .*float32"),
        (lambda key: trace(lambda v: np.eye(5) @ v, 4, key), r"matvec does not take a vector of length size=4.*flat\("),
        (lambda key: trace(lambda v: np.asarray(v), 4, key), "give a JAX function"),
        (lambda key: trace(lambda v: np.triu(np.ones((4, 4))) @ v, 4, key), "matvec is not symmetric"),
    ],
)
def test_bad_arguments_are_named(call, sentence, key):
    with pytest.raises(MrntkError, match=sentence):
        call(key)


def test_nan_that_appears_during_the_iteration_is_found(key):
    class Broken(eqx.Module):
        def __call__(self, v):
            return jnp.where(jnp.abs(jnp.linalg.norm(v) - 1) < 1e-9, jnp.nan, v)  # NaN for unit vectors alone

    with pytest.raises(MrntkError, match="NaN or infinite values during the iteration"):
        density_of_states(Broken(), 5, key)
