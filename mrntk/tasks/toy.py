"""Toy tasks with known spectra, for checking derivations and estimates against exact answers.

The training inputs of `circle` and `parity` are an orbit of a group: the kernel matrix of EVERY kernel k(x.x'), as are NTKs of
fully connected networks on inputs of one norm, then has the same eigenvectors, and only the eigenvalues depend on k. In `blobs`
it is the population of a linear kernel that is known.

    circle  n equal angles, the cyclic group: Fourier modes, eigenvalues the DFT of the kernel's first row
    parity  all sign vectors, the group of sign flips: characters, eigenvalues Krawtchouk sums, one per degree
    blobs   E[x x^T] = diag(k^-decay) whatever the classes are; the share of the top eigenvector in the class direction is chosen
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product
from math import comb, erfc, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..support.arrays import Array
from ..support.cards import Card, Entry
from ..support.errors import MrntkError
from .task import Task

MOST_BITS = 12  # 4,096 inputs


def _card(name: str, title: str, shape: tuple, classes: tuple, size: str, citation: str) -> Card:
    origin = f"computed by mrntk.tasks.toy.{name}"
    return Card(name, title, shape, len(classes), classes, size, origin, "Apache-2.0 (this project)", citation)


CIRCLE = _card(
    "circle",
    "points on a circle, classes by the sign of a cosine",
    (2,),
    ("negative", "positive"),
    "as chosen (64 + 64 points)",
    "Basri, Jacobs, Kasten and Kritchman 2019, The convergence rate of neural networks for learned functions of "
    "different frequencies",
)
BLOBS = _card(
    "blobs",
    "two Gaussian blobs with a chosen alignment to the top eigenvector",
    (),
    ("-1", "+1"),
    "as chosen (200 + 200 points)",
    "Canatar, Bordelon and Pehlevan 2021, Spectral bias and task-model alignment explain generalization in kernel "
    "regression and infinitely wide neural networks",
)
PARITY = _card(
    "parity",
    "sign vectors, classes by the product of some coordinates",
    (),
    ("-1", "+1"),
    "as chosen (64 + 64 points)",
    "Yang and Salman 2019, A fine-grained spectral perspective on neural networks",
)


class Levels(NamedTuple):
    """A spectrum in levels: `values[m]` is an eigenvalue `multiplicities[m]` times (m: the frequency or the degree)."""

    values: Float[np.ndarray, " m"]
    multiplicities: Int[np.ndarray, " m"]

    def expanded(self) -> Float[np.ndarray, " n"]:
        """One eigenvalue per eigenvector, in the order of the columns of `circle_modes` or `parity_modes`."""
        return np.repeat(self.values, self.multiplicities)


def _check(name: str, value, least: int, most: int, why: str = "") -> None:
    if not (isinstance(value, (int, np.integer)) and least <= value <= most):
        raise MrntkError(f"{name}={value}: give a whole number from {least} to {most}{why}.")


def _on_circle(steps: np.ndarray, n: int, frequency: int) -> tuple[np.ndarray, np.ndarray]:
    """Points at angles pi steps / n, and their classes in exact integer arithmetic."""
    angles = np.pi * steps / n
    positive = (2 * frequency * steps + n) % (4 * n) < 2 * n  # the phase, a quarter turn on, is in the first half turn
    return np.stack([np.cos(angles), np.sin(angles)], axis=1), positive.astype(int)


@cache
def circle(n: int = 64, frequency: int = 1) -> Task:
    """Points on the unit circle with classes by the sign of cos(frequency * angle).

    Training inputs are at the angles 2 pi i / n, test inputs half way between them: turning by half a step turns one set into
    the other. Where the cosine is 0, the class is that of the arc that begins there; so if n is a multiple of 2 frequency,
    each arc has n / (2 frequency) points, and the labels +-1 consist of the odd multiples of the frequency alone.

    Raises
    ------
    MrntkError
        If n is under 4, or the frequency not under n / 2, where n points cannot tell it from a lower one.
    """
    _check("n", n, 4, 100_000)
    _check("frequency", frequency, 1, (n - 1) // 2, f" for n={n}")
    steps = np.arange(n)
    train, test = _on_circle(2 * steps, n, frequency), _on_circle(2 * steps + 1, n, frequency)
    return Task(replace(CIRCLE, size=f"{n:,} + {n:,} points"), *train, *test)


def circle_spectrum(row: Float[Array, " n"]) -> Levels:
    """Eigenvalues of a rotation-invariant kernel on the training inputs of `circle`, from the kernel matrix's first row.

    The matrix is a symmetric circulant, so its eigenvalues are the discrete Fourier transform of the row, which is real:
    values[m] = sum_j row[j] cos(2 pi m j / n), m = 0 ... n // 2, twice each but for m = 0 and, if n is even, m = n / 2.

    Raises
    ------
    MrntkError
        If row[j] and row[n - j] differ, as they do not for any k(x.x').
    """
    row = np.asarray(row, np.float64)
    if not np.allclose(row[1:], row[:0:-1], rtol=1e-5, atol=1e-6 * np.abs(row).max()):
        raise MrntkError(
            "row: row[j] differs from row[n - j]; give the first row of k(x.x') on the inputs of circle in order."
        )
    values = np.fft.rfft(row).real
    twice = np.array([1 if 2 * m in (0, len(row)) else 2 for m in range(len(values))])
    return Levels(values, twice)


def circle_modes(n: int) -> Float[np.ndarray, "n n"]:
    """The orthonormal Fourier modes of n equal angles as columns: constant, then cosine and sine of each frequency."""
    angles = 2 * np.pi * np.arange(n) / n
    columns = [np.full(n, 1 / sqrt(n))]
    for m in range(1, (n - 1) // 2 + 1):
        columns += [sqrt(2 / n) * np.cos(m * angles), sqrt(2 / n) * np.sin(m * angles)]
    if n % 2 == 0:
        columns.append((-1.0) ** np.arange(n) / sqrt(n))
    return np.stack(columns, axis=1)


def _corners(bits: int) -> np.ndarray:
    return np.array(list(product((1.0, -1.0), repeat=bits)))


@cache
def parity(bits: int = 6, of: int = 3, seed: int = 0) -> Task:
    """All 2^bits vectors of +-1, with classes by the product of their first `of` coordinates.

    The training inputs are the whole cube, the labels +-1 one character of degree `of`. Each test input is a corner with every
    coordinate shrunk by its own factor, drawn evenly from 1/2 to 1: signs and class are the corner's.

    Raises
    ------
    MrntkError
        If bits is not from 1 to 12, or `of` not from 1 to bits.
    """
    _check("bits", bits, 1, MOST_BITS)
    _check("of", of, 1, bits, f" for bits={bits}")
    x = _corners(bits)
    labels = (x[:, :of].prod(1) > 0).astype(int)
    shrunk = x * np.random.default_rng(seed).uniform(0.5, 1, x.shape)
    return Task(replace(PARITY, shape=(bits,), size=f"{len(x):,} + {len(x):,} points"), x, labels, shrunk, labels)


def parity_spectrum(kernel_values: Float[Array, " m"]) -> Levels:
    """Eigenvalues of k(x.x') on the training inputs of `parity`, by degree.

    The product of any d coordinates is an eigenvector, with the eigenvalue

        sum_w K_w(d) k(bits - 2 w),    K_w(d) = sum_j (-1)^j C(d, j) C(bits - d, w - j),

    the Krawtchouk polynomial: the sum of that product over all corners with w coordinates equal to -1.

    Parameters
    ----------
    kernel_values : k(bits - 2 w) for w = 0 ... bits, the kernel of two corners that differ in w signs.

    Returns
    -------
    Levels
        For degrees d = 0 ... bits, of which the multiplicities are C(bits, d).
    """
    kernel_values = np.asarray(kernel_values, np.float64)
    bits = len(kernel_values) - 1
    krawtchouk = [
        [sum((-1) ** j * comb(d, j) * comb(bits - d, w - j) for j in range(min(d, w) + 1)) for w in range(bits + 1)]
        for d in range(bits + 1)
    ]
    multiplicities = np.array([comb(bits, d) for d in range(bits + 1)])
    return Levels(np.array(krawtchouk, np.float64) @ kernel_values, multiplicities)


def parity_modes(bits: int) -> Float[np.ndarray, "n n"]:
    """The orthonormal characters of the cube as columns, by degree: products of d coordinates, over 2^(bits / 2)."""
    _check("bits", bits, 1, MOST_BITS)
    x = _corners(bits)
    columns = [x[:, chosen].prod(1) for d in range(bits + 1) for chosen in map(list, combinations(range(bits), d))]
    return np.stack(columns, axis=1) / 2 ** (bits / 2)


@dataclass(frozen=True)
class BlobPopulation:
    """What `blobs` draws from: x = y mean + z with y = +-1 equally likely and z ~ N(0, covariance)."""

    values: Float[np.ndarray, " d"]  # eigenvalues of E[x x^T], descending; its eigenvectors are the coordinate axes
    mean: Float[np.ndarray, " d"]  # of class +1; class -1 has its opposite
    covariance: Float[np.ndarray, "d d"]  # of each class: E[x x^T] - mean mean^T
    label_weights: Float[np.ndarray, " d"]  # share of the labels y along each eigenfunction x_k of the kernel x.x'
    error: float  # of the best classifier


def blob_population(
    dimension: int = 10, separation: float | int = 3.0, alignment: float | int = 0.5, decay: float | int = 1.0
) -> BlobPopulation:
    """The population of `blobs`, in closed form.

    Its second moments are E[x x^T] = diag(1, 2^-decay, ..., dimension^-decay) = L whatever the classes are: the eigenvalues of
    the kernel x.x' (over N, for many samples). The class direction u = (sqrt(alignment), sqrt(1 - alignment), 0, ...) has the
    share `alignment` of the top eigenvector. `separation` is the distance between the classes in standard deviations along
    the best direction, Delta^2 = 4 mean^T covariance^-1 mean, so the best classifier errs with probability
    Phi(-separation / 2), whatever the alignment. With mean = m u and covariance = L - m^2 u u^T,

        q = m^2 u^T L^-1 u = Delta^2 / (4 + Delta^2)

    by the formula of Sherman and Morrison. q is the share of the labels that a linear function explains:
    label_weights[k] = E[y x_k]^2 / L_k = m^2 u_k^2 / L_k, which sum to q.

    Raises
    ------
    MrntkError
        If an option is out of its range.
    """
    _check("dimension", dimension, 2, 10_000)
    if not 0 < separation < np.inf:
        raise MrntkError(f"separation={separation}: give a positive distance, in standard deviations.")
    if not 0 <= alignment <= 1:
        raise MrntkError(f"alignment={alignment}: give a share from 0 to 1.")
    if not 0 < decay < np.inf:
        raise MrntkError(f"decay={decay}: give a positive power, so that there is one top eigenvector.")
    values = np.arange(1, dimension + 1) ** -float(decay)
    u = np.zeros(dimension)
    u[:2] = sqrt(alignment), sqrt(1 - alignment)
    q = separation**2 / (4 + separation**2)
    mean = sqrt(q / (u**2 / values).sum()) * u
    covariance = np.diag(values) - np.outer(mean, mean)
    return BlobPopulation(values, mean, covariance, mean**2 / values, erfc(separation / 2 / sqrt(2)) / 2)


@cache
def blobs(
    n_per_class: int = 100,
    dimension: int = 10,
    separation: float | int = 3.0,
    alignment: float | int = 0.5,
    decay: float | int = 1.0,
    seed: int = 0,
) -> Task:
    """Two Gaussian blobs drawn from `blob_population`; the test set is as large, drawn anew from the same population.

    Raises
    ------
    MrntkError
        If an option is out of its range.
    """
    _check("n_per_class", n_per_class, 1, 1_000_000)
    population = blob_population(dimension, separation, alignment, decay)
    root = np.linalg.cholesky(population.covariance)
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n_per_class)

    def draw():
        return np.outer(2 * labels - 1, population.mean) + rng.normal(size=(len(labels), dimension)) @ root.T

    card = replace(BLOBS, shape=(dimension,), size=f"{len(labels):,} + {len(labels):,} points")
    return Task(card, draw(), labels, draw(), labels)


ENTRIES = {
    "circle": Entry(CIRCLE, circle, ("n", "frequency")),
    "blobs": Entry(BLOBS, blobs, ("n_per_class", "dimension", "separation", "alignment", "decay", "seed")),
    "parity": Entry(PARITY, parity, ("bits", "of", "seed")),
}
