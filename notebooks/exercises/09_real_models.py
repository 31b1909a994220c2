"""Checkers of notebook 08, real models."""

import numpy as np

from mrntk.model.output_maps import one_to_one
from notebooks.exercises import NotYet, call, close, exercise
from notebooks.exercises import expect as expect_bool


def expect(condition, words: str):
    expect_bool(bool(condition), words)  # also for NumPy's truth values


@exercise("08.1")
def passes(answer):
    for n, c_t, c_s, d_s in ((20, 10, 1000, 6912), (3, 6, 360, 1024), (5, 40, 2, 3), (7, 9, 12, 4)):
        found = call(answer, n, c_t, c_s, d_s, name="passes")
        expect(
            isinstance(found, tuple | list) and len(found) == 3,
            "passes should return three numbers: backward passes with b first, backward passes with J_S first, forward passes.",
        )
        found, right = [float(value) for value in found], [n * c_t, n * c_s, n * d_s]
        expect(found != [c_t, c_s, d_s], "That is for one example. How many examples are there?")
        expect(
            found[0] != n * c_s,
            "With b in front, the rows of b J_S are wanted, and not those of J_S. How many rows has b?",
        )
        expect(
            found[0] != n * c_t * c_s,
            "One backward pass gives a row of b J_S at once, whatever the number of source classes.",
        )
        expect(
            found[2] != n * c_t,
            "Forward mode gives the change of ALL outputs along ONE direction of the input: a column. How many columns has J_S?",
        )
        names = ("backward passes with b first", "backward passes with J_S first", "passes in forward mode")
        wrong = [name for name, one, other in zip(names, found, right, strict=True) if one != other]
        expect(
            not wrong or len(wrong) == 3,
            f"For N={n}, c_T={c_t}, c_S={c_s}, d_S={d_s} one part is off: {' and '.join(wrong)}.",
        )
        close(found, right, f"the answer for N={n}, c_T={c_t}, c_S={c_s}, d_S={d_s}")
    return "Whichever side of the product is short decides: rows by backward passes, columns by forward ones."


@exercise("08.2")
def trustworthy(answer):
    eps = float(np.finfo(np.float32).eps)
    for n, top in ((100, 1.0), (400, 3e4)):
        floor = n * eps * top
        above = np.geomspace(1.5 * floor, top, 17)
        noise = floor * np.linspace(-0.4, 0.4, n - 18)
        tiny = 1e-12 * floor  # above 0, and below what float64 resolves
        values = np.sort(np.concatenate([above, noise, [tiny]])).astype(np.float32)
        for given in (values, values[::-1].copy()):
            found = call(answer, given, name="trustworthy")
            found = int(found)
            expect(
                found != int((values > 0).sum()),
                "A positive number is no proof: rounding moves zeros to both sides. How large are the negative ones?",
            )
            expect(
                found != int((values > n * np.finfo(np.float64).eps * top).sum()),
                "That is the precision of float64. `np.finfo(np.float32).eps` is that of float32.",
            )
            wrong = int((values > eps * top).sum())
            expect(
                found != wrong,
                "That threshold leaves out the size of the matrix: rounding errors of n terms add up, so n belongs into it.",
            )
            expect(
                found == 17,
                f"For {n} eigenvalues up to {top:g}, {17} lie above n * eps * lambda_max; your answer is {found}.",
            )
    return "Whatever lies below is the computer's, and not the model's."


def _greedy(counts):
    free, chosen = np.array(counts, float), np.zeros(len(counts), int)
    for _ in range(len(counts)):
        t, s = np.unravel_index(free.argmax(), free.shape)
        chosen[t] = s
        free[t, :] = free[:, s] = -1
    return chosen


@exercise("08.3")
def mapping(answer):
    rng = np.random.default_rng(8)
    tables = [np.array([[5, 4, 0, 0], [7, 1, 2, 0], [6, 3, 0, 1]]), rng.permutation(60).reshape(4, 15)]
    for counts in tables:
        given = counts.copy()
        found = np.asarray(call(answer, given, name="mapping"))
        expect((given == counts).all(), "Your function changes the table that it was given: work on a copy.")
        right = np.asarray(one_to_one(_greedy(counts), counts.shape[1]).matrix)
        if found.shape != right.shape:
            raise NotYet(f"b has shape {found.shape}; it should be {right.shape}, a row for every target class.")
        rows = np.eye(counts.shape[1])[counts.argmax(1)]
        expect(
            not np.allclose(found, rows) or np.allclose(rows, right),
            "Each target class took its favourite, and some took the same: a source class can stand for one target class only.",
        )
        expect(
            (found.sum(0) <= 1).all() and (found.sum(1) == 1).all() and np.isin(found, (0, 1)).all(),
            "Every row of b has one 1 and no column more than one: a source class each, and none twice.",
        )
        in_turn, free = [], counts.astype(float).copy()
        for row in range(len(counts)):
            in_turn.append(int(free[row].argmax()))
            free[:, in_turn[-1]] = -1
        expect(
            not np.allclose(found, np.eye(counts.shape[1])[in_turn]) or np.allclose(found, right),
            "The target classes took turns in the order of their numbers. Greedy means: the largest count of all goes first.",
        )
        close(
            found,
            right,
            "b",
            hint="Take the largest count of the whole table, strike out its row and column, and go on.",
        )
    return "That is frequency label mapping: one source class each, the clearest pairs first."


@exercise("08.4")
def worst(answer):
    matrix = np.asarray(answer, float)
    expect(matrix.shape == (4, 4), f"The answer has shape {matrix.shape}: give a 4 x 4 matrix.")
    expect(np.allclose(matrix, matrix.T), "The matrix is not symmetric, so it is no kernel.")
    expect(np.linalg.eigvalsh(matrix)[0] > -1e-9, "The matrix has a negative eigenvalue, so it is no kernel.")
    trace = np.trace(matrix)
    expect(abs(trace - 4) < 1e-6, f"The trace is {trace:.4g}; it should be 4.")
    variance = 2 * ((matrix**2).sum() - (np.diag(matrix) ** 2).sum())
    expect(
        variance > 1e-9,
        "This kernel has no entries off the diagonal: the estimator is exact for it, the best case of all.",
    )
    rank = np.linalg.matrix_rank(matrix, tol=1e-9)
    most = 24.0
    expect(
        variance > most * (1 - 1e-6),
        f"Its variance is {variance:.3g}, and {most:g} is possible. "
        + ("A single positive eigenvalue is right; now spread its eigenvector evenly." if rank == 1
           else "Put the whole trace into one eigenvalue: the sum of the squares is then as large as it can be."),
    )  # fmt: skip
    return "One eigenvalue carries everything, and every entry of its eigenvector counts alike: z . v sums four coin tosses."


@exercise("08.5")
def hutchinson(answer):
    rng = np.random.default_rng(85)
    inside, misses, errors, n, probes, repeats = 0, [], [], 40, 25, 200
    for _ in range(repeats):
        root = rng.normal(size=(n, 60)) * np.geomspace(1, 0.2, 60)
        K, probed = root @ root.T, []

        def matvec(z, K=K, probed=probed):
            probed.append(np.array(z, float))
            return K @ z

        found = call(answer, matvec, n, probes, rng, name="hutchinson")
        expect(isinstance(found, tuple) and len(found) == 2, "hutchinson should return (estimate, standard error).")
        value, error = (float(part) for part in found)
        z = np.concatenate([one.reshape(n, -1).T for one in probed]) if probed else np.zeros((0, n))
        expect(len(z) == probes, f"You used {len(z)} products with K; there should be one a probe, {probes}.")
        expect(
            np.isin(np.abs(z), (1,)).all() and (z < 0).any() and (z > 0).any(),
            "The probes should have entries +1 and -1: `rng.choice([-1.0, 1.0], size=n)`. Their mean must be 0.",
        )
        expect(
            abs(value - np.trace(K)) < 20 * np.sqrt(2) * np.linalg.norm(K) / probes**0.5,
            "The estimate is far off. It is the MEAN of z . (K z) over the probes, and nothing else.",
        )
        misses.append(value - np.trace(K))
        errors.append(error)
        inside += abs(value - np.trace(K)) <= 2 * error
    scatter, said = float(np.std(misses)), float(np.mean(errors))
    expect(
        not 0.8 < said / scatter / probes**0.5 < 1.25,
        "Your error bar is the scatter of a single sample. The mean of B samples scatters less: divide by sqrt(B).",
    )
    expect(
        0.85 < said / scatter < 1.2,
        f"Over {repeats} random kernels the estimate scatters {scatter / said:.2g} times as much as your error bar says.",
    )
    expect(
        inside / repeats > 0.85, f"Two error bars hold the trace in only {inside / repeats:.0%} of {repeats} kernels."
    )
    return f"Two error bars held the trace in {inside / repeats:.0%} of {repeats} random kernels, with {probes} products each."
