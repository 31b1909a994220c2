"""Checkers of notebook 05, the source as a kernel machine."""

import jax
import numpy as np

from mrntk.spectrum import smallest_eigenvalue
from mrntk.support.precision import in_float64
from mrntk.theory import assumption3, theta_s_b
from notebooks.exercises import NotYet, call, close, exercise, expect


@exercise("05.1")
def scale_does_not_matter(answer, factor):
    rng = np.random.default_rng(51)
    root, y = rng.normal(size=(6, 9)), rng.normal(size=(6, 2))
    k_s = root @ root.T
    for ridge in (0.0, 0.3):
        found = np.asarray(call(answer, k_s, y, ridge, name="theta_s_b_mine"), float)
        inverse = np.linalg.inv(k_s + ridge * np.eye(6))
        expect(
            ridge == 0 or found.shape != (2, 2) or not np.allclose(found, y.T @ inverse @ y),
            "With a ridge, [K_S + sigma_S I]^{-1} K_S [K_S + sigma_S I]^{-1} is not one inverse: K_S stays between the two.",
        )
        expect(
            found.shape != (2, 2) or not np.allclose(found, y.T @ k_s @ y),
            "That is Y_S^T K_S Y_S. In Eq. 18 an inverse stands on both sides of K_S.",
        )
        expect(
            found.shape != (6, 6),
            "Theta_S^b should be c x c, one row per output, and yours is N_S x N_S: where is Y_S?",
        )
        close(found, theta_s_b(k_s, y, ridge=ridge), f"Theta_S^b at ridge {ridge:g}", hint="Look at Eq. 18 again.")
    expect(
        not np.isclose(float(factor), 7),
        "7 is what lambda_min[K_S] is multiplied by. What happens to Theta_S^b meanwhile?",
    )
    close(float(factor), 1, "The factor of the product", rtol=1e-3, hint="Measure it with your function.")
    return "The larger lambda_min[K_S] is paid back by Theta_S^b to the last digit: f_S has not changed."


@exercise("05.2")
def where_the_bounds_say_something(paper, hadamard):
    right = "the largest N_T of the paper's bound"
    for d_t, d_s, features, c_t, c_s in ((4, 16, 12, 2, 3), (64, 784, 784, 10, 10), (3, 20, 5, 2, 2)):
        found = int(call(paper, d_t, d_s, features, c_t, c_s, name="paper"))
        expect(found != d_t, "One more: an FC layer has a bias, so K_x is a Gram matrix of vectors (x, 1).")
        close(found, d_t + 1, right, hint="Which factor depends on the number of target inputs at all?")
    for d_s, features, why in ((16, 17, "just above"), (16, 400, "far above")):
        found = int(call(paper, 4, d_s, features, 2, 3, name="paper"))
        expect(found == 0, f"With D = {features}, {why} d_S = {d_s}, Theta_S^A is singular for every N_T.")
    for features, c_t, c_s, why in ((12, 5, 3, "more target outputs than source outputs"), (2, 3, 4, "c_T > D")):
        found = int(call(paper, 4, 16, features, c_t, c_s, name="paper"))
        expect(
            found == 0, f"Theta_S^b = M M^T with M of size c_T x D, made from c_S outputs: what is its rank if {why}?"
        )
    for d_s, c_t in ((16, 2), (784, 10), (17, 3)):
        found = float(call(hadamard, d_s, c_t, name="hadamard"))
        expect(found.is_integer(), "N_T is a number of images: a whole one.")
        expect(found != d_s, "G has c_T rows for every input, not one.")
        close(found, d_s // c_t, "the largest N_T of the Hadamard bound", hint="How many rows of d_S entries fit?")
    return "Three factors, three conditions; only one of them depends on how many target inputs there are."


@exercise("05.3")
def where_assumption_3_fails(phi, x_s, s):
    if not callable(phi):
        raise NotYet("The first answer should be the feature map, a function of ONE source input.")
    x_s, s = np.asarray(x_s, float), np.asarray(s, float)
    expect(
        x_s.ndim == 2 and s.shape == x_s[0].shape, "x_s should be (N_S, d_S), one source input per row, and s (d_S,)."
    )
    found = assumption3(phi, x_s, s[None])
    expect(
        found.num_features <= found.num_inputs,
        f"You have D = {found.num_features} features of d_S = {found.num_inputs} inputs: with D > d_S it is no surprise.",
    )
    expect(
        found.k_s > 0,
        "K_S is singular, so Assumption 3 asks for nothing: choose source inputs with independent features.",
    )
    left, right = found.theta_s_a[0], found.k_s
    expect(
        bool(left < right),
        f"Assumption 3 holds there: {left:.3g} >= {right:.3g}. Where is your map flat, or its features large?",
    )
    phi_s, jacobian = _features_and_slopes(phi, x_s, s)
    m = np.linalg.solve(phi_s @ phi_s.T, phi_s)  # Y_S = I, sigma_S = 0, b = I
    claimed, truth = right * smallest_eigenvalue(m @ m.T), smallest_eigenvalue(m @ jacobian @ jacobian.T @ m.T)
    expect(
        bool(claimed > truth * (1 + 1e-9)),
        f"Assumption 3 fails there, but the product with lambda_min[K_S], {claimed:.3g}, is still below the true "
        f"lambda_min[Theta_T], {truth:.3g}. Make the map flatter at s in the directions that the source uses.",
    )
    return f"The bound would promise {claimed:.3g}, and the truth is {truth:.3g}."


@in_float64
def _features_and_slopes(phi, x_s, s):
    return np.asarray(jax.vmap(phi)(x_s)), np.asarray(jax.jacrev(phi)(s))


@exercise("05.4")
def repaired(answer):
    rng = np.random.default_rng(54)
    for count, c, d_s in ((2, 2, 5), (3, 3, 10)):
        g = rng.normal(size=(count, c, d_s)) * rng.uniform(0.5, 2, size=(count, 1, 1))
        blocks = np.array([np.linalg.eigvalsh(one @ one.T)[0] for one in g])
        rows = g.reshape(count * c, d_s)
        found = float(call(answer, 0.7, g, name="repaired"))
        expect(
            not np.isclose(found, 0.7 * max(np.linalg.eigvalsh(rows @ rows.T)[0], 0), rtol=1e-6, atol=1e-12),
            "You put all gradients into one matrix. In step 3 every target input has a vector v_t of its own.",
        )
        expect(bool(not np.isclose(found, blocks.min())), "Step 2 is still needed: where is lambda_min[Theta_A]?")
        expect(
            not np.isclose(found, [0.7 * blocks.mean(), 0.7 * blocks.max()]).any(),
            "It must hold for every v, also for one that sits at the worst target input alone.",
        )
        expect(abs(found) > 1e-12, "It is 0 here: g_t^T g_t is d_S x d_S and singular. Which product is c_T x c_T?")
        close(found, 0.7 * blocks.min(), "the repaired bound", hint="Bound ||g_t^T v_t||^2 by ||v_t||^2 in one step.")
    return "The feature space, and with it D, has left the bound."
