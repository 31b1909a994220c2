"""The theory, term by term: the equations are the empirical kernel, the bounds hold, the audit's findings come out."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import FullyConnected, MrntkError, Reprogram, VisualPrompt, empirical_ntk, jacobian_rows, load_task
from mrntk.model.input_maps import FullyConnectedPrompt, Identity, InputMap, Watermark
from mrntk.model.output_maps import IdentityOutput, LinearOutput
from mrntk.model.reprogram import predict, predict_float64
from mrntk.prediction.before_training import capacity, training_floor
from mrntk.prediction.closed_form import predicted_loss, stability_limit
from mrntk.sources.kernel_machine import KernelMachine, feature_kernel, relu_ntk
from mrntk.spectrum import as_matrix, smallest_eigenvalue, spectrum
from mrntk.support.precision import in_float64
from mrntk.theory import (
    assumption3,
    bound,
    bound_from_gradients,
    feature_jacobian,
    generalisation_term,
    hadamard_bound,
    input_gradient,
    smallest_of_gram,
    target_gradient,
    theta_a,
    theta_a_min,
    theta_s_a,
    theta_s_b,
)

TARGET, SOURCE = (1, 2, 2), (1, 4, 4)  # d_T = 4, d_S = 16


@cache
def features(count):
    """Phi(s) = tanh(A s) + A s / 2 with `count` features; d_S >= count makes Theta_S^A positive definite."""
    a = np.random.default_rng(0).normal(size=(count, 16)) / 4
    return lambda s: jnp.tanh(a @ s.ravel()) + a @ s.ravel() / 2


class Turning(InputMap):
    """delta_1 x + delta_2: dense and different for every input, to leave the structured path of theta_a_min."""

    delta: jax.Array

    def __call__(self, x):
        return (self.delta[0] * x + self.delta[1]).reshape(TARGET)


INPUTS = {
    "fc": lambda key: FullyConnected(TARGET, SOURCE, key=key),
    "vp": lambda key: eqx.tree_at(lambda vp: vp.delta, VisualPrompt(SOURCE, (2, 2)), jax.random.normal(key, (12,))),
    "fc+vp": lambda key: FullyConnectedPrompt(TARGET, SOURCE, (2, 2), key=key),
    "watermark": lambda key: Watermark(SOURCE),
}


def inputs(name, count, seed=0):
    shape = SOURCE if name == "watermark" else TARGET
    return np.random.default_rng(seed).uniform(size=(count, *shape))


def reprogrammed(name, num_features, output_map=None, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(10, *SOURCE)), rng.normal(size=(10, classes))
    source = KernelMachine.fit(feature_kernel(features(num_features)), x, y, ridge=0.1)
    return Reprogram(INPUTS[name](jax.random.key(seed)), source, output_map or IdentityOutput())


LINEAR = LinearOutput(np.array([[1.0, -0.5, 0.2], [0.3, 0.8, 0.0]]))


@pytest.mark.parametrize(
    "name, num_features, output_map",
    [("fc", 8, None), ("fc", 40, LINEAR), ("vp", 40, None), ("fc+vp", 8, LINEAR), ("watermark", 8, None)],
)
def test_equations_15_to_18_are_the_empirical_kernel(name, num_features, output_map):
    model, x = reprogrammed(name, num_features, output_map), inputs(name, 4)
    expected = empirical_ntk(model, x)
    scale = np.abs(expected).max()
    gradient = target_gradient(model, x)
    np.testing.assert_allclose(np.einsum("icp,jdp->icjd", gradient, gradient), expected, rtol=1e-10, atol=1e-10 * scale)

    # factor by factor, every matrix written out by hand
    machine, b = model.source, np.eye(3) if output_map is None else output_map.matrix
    phi = in_float64(jax.vmap(machine.kernel.phi))
    m = b @ machine.alpha.T @ phi(machine.x)
    jacobian = in_float64(jax.vmap(jax.jacrev(machine.kernel.phi)))
    s = in_float64(lambda a, x: jax.vmap(a)(x))(model.input_map, x)
    j = jacobian(s).reshape(4, num_features, 16)
    np.testing.assert_allclose(
        np.einsum("cD,iDa,iajb,jEb,dE->icjd", m, j, theta_a(model.input_map, x), j, m),
        expected,
        rtol=1e-9,
        atol=1e-10 * scale,
    )
    np.testing.assert_allclose(theta_s_a(machine.kernel.phi, s[2]), j[2] @ j[2].T, rtol=1e-10, atol=1e-12)
    k_s = phi(machine.x) @ phi(machine.x).T
    y = (k_s + 0.1 * np.eye(10)) @ machine.alpha
    np.testing.assert_allclose(theta_s_b(k_s, y, b=b, ridge=0.1), m @ m.T, rtol=1e-8, atol=1e-12)


def test_gradient_is_the_derivative():
    """Eq. 15 against central differences along one direction of theta_A."""
    model, x = reprogrammed("fc", 8), inputs("fc", 3)
    flat, back = jax.flatten_util.ravel_pytree(model.input_map)
    direction = np.random.default_rng(1).normal(size=flat.shape)

    @in_float64
    def outputs(step):
        flat, back = jax.flatten_util.ravel_pytree(jax.tree.map(np.float64, model.input_map))
        return predict(eqx.tree_at(lambda m: m.input_map, model, back(flat + step * direction)), x)

    numeric = (outputs(1e-5) - outputs(-1e-5)) / 2e-5
    np.testing.assert_allclose(target_gradient(model, x) @ direction, numeric, rtol=1e-7, atol=1e-9)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1000), name=st.sampled_from(sorted(INPUTS)))
def test_the_bound_holds(seed, name):
    found = bound(reprogrammed(name, 6, seed=seed, classes=2), inputs(name, 3, seed))
    assert found.product <= found.theta_t * (1 + 1e-9)
    assert found.vacuous == (name != "fc")


def test_the_bound_is_its_factors():
    model, x = reprogrammed("fc", 6, LINEAR), inputs("fc", 3)
    found = bound(model, x)
    gram = x.reshape(3, 4) @ x.reshape(3, 4).T + 1
    assert found.theta_a == pytest.approx(np.linalg.eigvalsh(gram)[0], rel=1e-9)
    assert found.theta_s_a.shape == (3,) and (found.theta_s_a > 0).all()
    assert found.theta_t == pytest.approx(np.linalg.eigvalsh(as_matrix(empirical_ntk(model, x)))[0], rel=1e-6)
    assert found.product == pytest.approx(found.theta_a * found.theta_s_a.min() * found.theta_s_b)
    assert 0 < found.product < found.theta_t and not found.vacuous


@pytest.mark.parametrize("name, num_features, count", [("fc", 6, 3), ("fc", 40, 6), ("vp", 8, 2), ("fc+vp", 6, 3)])
def test_the_bound_from_gradients_is_the_bound(name, num_features, count):
    model, x = reprogrammed(name, num_features, LINEAR), inputs(name, count)
    a, phi = model.input_map, model.source.kernel.phi
    jacobian = in_float64(lambda a, x: jax.vmap(lambda one: feature_jacobian(phi, a(one)))(x))(a, x)
    gradient = in_float64(lambda a, x: jax.vmap(lambda one: input_gradient(a, one))(x))(a, x)
    m = LINEAR.matrix @ model.source.alpha.T @ predict_float64(phi, model.source.x)
    found, expected = bound_from_gradients(m, jacobian, gradient), bound(model, x)
    for field in ("theta_a", "theta_s_a", "theta_s_b", "theta_t"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-6, atol=1e-12)
    assert found.vacuous == expected.vacuous


def test_smallest_of_gram_keeps_the_digits_of_its_rows():
    """1e-18 beside 1, which no Gram matrix holds in double precision; and 0 for rows that depend on each other."""
    rows = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0] * np.array([1.0, 1.0, 1e-9])
    assert smallest_of_gram(rows) == pytest.approx(1e-18, rel=1e-4, abs=0)
    assert smallest_of_gram(np.ones((2, 3))) == smallest_of_gram(np.ones((3, 2))) == 0


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("count", [1, 3, 7])
def test_theta_a_min_by_structure(name, count):
    input_map, x = INPUTS[name](jax.random.key(0)), inputs(name, count)
    full = theta_a(input_map, x)
    assert full.shape == (count, 16, count, 16)
    assert theta_a_min(input_map, x) == pytest.approx(smallest_eigenvalue(full), rel=1e-7, abs=1e-12)


def test_theta_a_min_without_structure():
    x = inputs("fc", 2)
    turning = Turning(jnp.array([2.0, 1.0]))
    expected = np.einsum("ia,jb->iajb", x.reshape(2, 4), x.reshape(2, 4)) + 1
    np.testing.assert_allclose(theta_a(turning, x), expected, rtol=1e-12)
    assert theta_a_min(turning, x) == 0  # 2 parameters for 8 outputs
    assert theta_a_min(Identity(), x) == 0


def test_audit_1_assumption_3_fails_with_more_features_than_inputs():
    """Linear features satisfy it, rich ones cannot: the left side is 0 however the source data look."""
    rng = np.random.default_rng(0)
    s = rng.normal(size=(5, *SOURCE))
    linear = assumption3(lambda s: s.ravel(), rng.normal(size=(12, *SOURCE)) / 4, s)
    assert linear.holds and linear.k_s > 0
    np.testing.assert_allclose(linear.theta_s_a, 1)
    assert (linear.rank == 16).all() and (linear.num_inputs, linear.num_features) == (16, 16)
    for count in (17, 60):
        rich = assumption3(features(count), rng.normal(size=(12, *SOURCE)), s)
        assert (rich.theta_s_a == 0).all() and rich.k_s > 0 and not rich.holds
        assert (rich.rank == 16).all() and rich.num_features == count


def test_audit_2_prompt_makes_theta_a_singular_but_not_the_kernel():
    for count in (1, 2):
        model, x = reprogrammed("vp", 40), inputs("vp", count)
        everywhere = VisualPrompt(SOURCE, (2, 2), mask=np.ones(SOURCE, bool))
        assert (theta_a_min(everywhere, x) > 0) == (count == 1)
        found = bound(model, x)
        assert found.theta_a == 0 and found.vacuous and found.theta_t > 0


@pytest.mark.parametrize("count, singular", [(5, False), (6, True)])
def test_audit_3_fully_connected_theta_a_is_singular_beyond_its_inputs(count, singular):
    """d_T + 1 = 5."""
    x = inputs("fc", count)
    assert (theta_a_min(INPUTS["fc"](jax.random.key(0)), x) == 0) == singular


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 6),
    c=st.integers(1, 3),
    d_s=st.integers(1, 12),
    scale=st.sampled_from([0.0, 0.1, 1.0, 10.0]),
)
def test_audit_4_hadamard_bound_never_exceeds(seed, n, c, d_s, scale):
    rng = np.random.default_rng(seed)
    g, x = rng.normal(size=(n, c, d_s)), scale * rng.normal(size=(n, 4))
    kernel = np.einsum("ica,jda,ij->icjd", g, g, x @ x.T + 1)
    lower = hadamard_bound(g, x)
    assert lower <= smallest_eigenvalue(kernel) * (1 + 1e-9)
    assert (lower > 0) == (n * c <= d_s)


def test_audit_4_hadamard_bound_holds_where_the_papers_is_vacuous():
    """More features than source inputs, N c <= d_S; for orthogonal gradients it is attained."""
    model, x = reprogrammed("fc", 40), inputs("fc", 4)
    g = in_float64(lambda model, x: jax.vmap(lambda one: jacobian_rows(model, one))(x))(model, x)
    gram = x.reshape(4, -1) @ x.reshape(4, -1).T + 1
    flat, found = g.reshape(4, 3, 16), bound(model, x)
    np.testing.assert_allclose(np.einsum("ica,jda,ij->icjd", flat, flat, gram), empirical_ntk(model, x), rtol=1e-9)
    assert found.vacuous and 0 < hadamard_bound(g, x) <= found.theta_t
    orthogonal = 2 * np.eye(12).reshape(4, 3, 12)
    lengths = 1 + (x.reshape(4, -1) ** 2).sum(1)
    assert hadamard_bound(orthogonal, x) == pytest.approx(4 * lengths.min())


def test_audit_5_depth_raises_one_factor_and_lowers_the_other():
    """100 MNIST images. The product rises with depth, far less than lambda_min(K_S), and does not see the kernel's scale."""
    x, labels = load_task("mnist5k").draw(jax.random.key(0), 10)
    y = np.eye(10)[labels]
    kernels = [in_float64(relu_ntk(depth))(x, x) for depth in range(1, 10)]
    first, second = (
        np.array([smallest_eigenvalue(matrix) for matrix in matrices])
        for matrices in (kernels, [theta_s_b(k, y) for k in kernels])
    )
    product = first * second
    assert (np.diff(first) > 0).all() and (np.diff(second) < 0).all() and (np.diff(product) > 0).all()
    for found, expected in ((first, (0.0034, 0.669)), (second, (0.947, 0.026)), (product, (0.0032, 0.0172))):
        np.testing.assert_allclose(found[[0, -1]], expected, rtol=0.5)
    for k, value in zip(kernels[::4], product[::4], strict=True):
        assert smallest_eigenvalue(7 * k) * smallest_eigenvalue(theta_s_b(7 * k, y)) == pytest.approx(value, rel=1e-6)
        assert smallest_eigenvalue(theta_s_b(k, y - 0.1)) == 0  # centred labels
        assert smallest_eigenvalue(theta_s_b(k, y - 0.1, b=np.eye(10)[:9])) > 0  # one class less: regular again


@pytest.mark.parametrize("sides, entries", [((28, 32), 720), ((86, 112), 15444)])
def test_capacity_of_the_papers_prompts(sides, entries):
    inner, outer = sides
    source = KernelMachine(
        np.zeros((1, 3, outer, outer)), np.zeros((1, 10)), relu_ntk(1), (3, outer, outer), 10, "zero"
    )
    model = Reprogram(VisualPrompt((3, outer, outer), (inner, inner)), source)
    x = np.zeros((entries // 10 + 1, 3, 4, 4))
    found = capacity(model, x)
    assert (found.trained, found.largest, found.possible) == (entries, entries // 10, False)
    assert capacity(model, x[:-1]).possible and capacity(model, x[:-1]).outputs == 10 * (entries // 10)


def test_capacity_law_is_sharp():
    """12 prompt entries and 3 classes: 4 inputs can be told apart, 5 cannot."""
    model, x = reprogrammed("vp", 40), inputs("vp", 5)
    assert capacity(model, x).largest == 4
    assert smallest_eigenvalue(empirical_ntk(model, x[:4])) > 0
    assert smallest_eigenvalue(empirical_ntk(model, x)) == 0


def test_training_floor_is_what_least_squares_leaves():
    model, x = reprogrammed("vp", 40), inputs("vp", 7)
    residual = np.random.default_rng(4).normal(size=(7, 3))
    theta = empirical_ntk(model, x)
    floor = training_floor(theta, residual)
    jacobian = target_gradient(model, x).reshape(21, -1)
    best = np.linalg.lstsq(jacobian, -residual.ravel(), rcond=1e-10)[0]
    assert floor == pytest.approx(((jacobian @ best + residual.ravel()) ** 2).sum() / 14, rel=1e-6)
    found = spectrum(theta, vectors=True)
    late = predicted_loss(found, residual, stability_limit(found, 7) / 4, [10**15])
    assert late[0] == pytest.approx(floor, rel=1e-6)
    assert 0 < floor < (residual**2).sum() / 14
    assert training_floor(np.eye(21), residual) == 0


def test_generalisation_term_by_hand():
    theta = np.array([[2.0, -1.0], [-1.0, 3.0]]).reshape(2, 1, 2, 1)
    found = generalisation_term(theta, rho=3.0, B=0.5, T=16.0, L=2.0, Gamma=5.0, delta=0.1)
    assert found.kernel == pytest.approx(2 * 3 * 0.5 * 4 / 2 * 7)
    assert found.confidence == pytest.approx(3 * 2 * 5 * np.sqrt(np.log(20) / 4))
    with pytest.raises(MrntkError, match="delta=1.0"):
        generalisation_term(theta, rho=1.0, B=1.0, T=1.0, L=1.0, Gamma=1.0, delta=1.0)


def test_what_the_theory_does_not_cover_is_refused():
    x = inputs("fc", 2)
    rng = np.random.default_rng(0)
    deep = KernelMachine.fit(relu_ntk(2), rng.normal(size=(4, *SOURCE)), rng.normal(size=(4, 3)))
    with pytest.raises(MrntkError, match="no explicit features"):
        bound(Reprogram(INPUTS["fc"](jax.random.key(0)), deep), x)
    with pytest.raises(MrntkError, match="Assumption 2"):
        bound(reprogrammed("fc", 6, jnp.tanh), x)
    with pytest.raises(MrntkError, match="use theta_a_min"):
        theta_a(VisualPrompt((3, 32, 32), (28, 28)), np.zeros((100, 3, 4, 4)))
