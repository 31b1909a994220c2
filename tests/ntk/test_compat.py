"""neural-tangents on today's JAX: right against closed forms, without side effects, with an error that names versions."""

import subprocess
import sys

import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.ntk import compat

W2, B2 = 1.7, 0.3  # variances of weights and biases


def angles(k_xx, k_xy, k_yy):
    norm = np.sqrt(k_xx * k_yy)
    return norm, np.arccos(np.clip(k_xy / norm, -1, 1))


def arc_cosine(k_xx, k_xy, k_yy):
    """E[relu(u) relu(v)] and E[step(u) step(v)] for jointly Gaussian u, v (Cho & Saul 2009), derived by hand."""
    norm, angle = angles(k_xx, k_xy, k_yy)
    return norm * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


def relu_ntk_by_hand(x, hidden_layers):
    """NTK of a ReLU network with `hidden_layers` hidden layers, NTK parameterisation, pair by pair."""
    n, d = x.shape
    kernel = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            s_xx, s_xy, s_yy = (W2 * a @ b / d + B2 for a, b in ((x[i], x[i]), (x[i], x[j]), (x[j], x[j])))
            theta = s_xy
            for _ in range(hidden_layers):
                relu, slope = arc_cosine(s_xx, s_xy, s_yy)
                s_xx, s_xy, s_yy = W2 * s_xx / 2 + B2, W2 * relu + B2, W2 * s_yy / 2 + B2
                theta = s_xy + W2 * slope * theta
            kernel[i, j] = theta
    return kernel


@pytest.mark.parametrize("hidden_layers", [0, 1, 2])
def test_infinite_kernel_against_closed_form(hidden_layers):
    compat.neural_tangents()
    import jax
    from neural_tangents import stax

    x = np.random.default_rng(0).normal(size=(5, 4))
    layers = [stax.Dense(1, W2**0.5, B2**0.5)]
    for _ in range(hidden_layers):
        layers += [stax.Relu(), stax.Dense(1, W2**0.5, B2**0.5)]
    with jax.enable_x64(True):
        got = stax.serial(*layers)[2](x, None, "ntk")
    np.testing.assert_allclose(got, relu_ntk_by_hand(x, hidden_layers), rtol=1e-6)  # arccos near 1 on the diagonal


@pytest.mark.parametrize("implementation", ["JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS"])
def test_empirical_kernels_work(implementation):
    nt = compat.neural_tangents()
    import jax

    x = np.random.default_rng(0).normal(size=(3, 4))

    def linear(weight, x):
        return x @ weight

    with jax.enable_x64(True):
        kernel_fn = nt.empirical_ntk_fn(linear, trace_axes=(), implementation=nt.NtkImplementation[implementation])
        got = kernel_fn(x, None, np.ones((4, 2)))
    np.testing.assert_allclose(got, np.einsum("ij,cd->ijcd", x @ x.T, np.eye(2)), atol=1e-12)


def test_jax_is_left_as_it_was():
    compat.neural_tangents()
    import jax.core
    from jax.interpreters import ad

    assert not hasattr(jax.core, "Jaxpr")
    assert not hasattr(ad, "zeros_like_p")
    assert "jax.util" not in sys.modules
    assert "tensorflow" not in sys.modules


def fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_future_jax_gives_an_error_with_versions():
    """A JAX that dropped one more name: the message tells both versions and which JAX to install, each time."""
    out = fresh(
        "import jax, jax.interpreters.ad as ad; del ad.UndefinedPrimal; jax.__version__ = '0.99.0'\n"
        "from mrntk.ntk.compat import neural_tangents\n"
        "for _ in range(2):\n"
        "    try: neural_tangents()\n"
        "    except ValueError as error: print(error)\n"
    )
    lines = out.splitlines()
    assert len(lines) == 2 and lines[0] == lines[1]
    assert "neural-tangents 0.6.5 does not work with JAX 0.99.0" in lines[0]
    assert "0.10, 0.11, 0.12" in lines[0]


def test_missing_package_says_how_to_install_without_tensorflow(monkeypatch):
    def missing(name):
        raise compat.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(compat.importlib.metadata, "version", missing)
    with pytest.raises(MrntkError, match="pip install --no-deps neural-tangents==0.6.5"):
        compat.neural_tangents.__wrapped__()
