"""Checkers of notebook 09, real models."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from notebooks.exercises import NotYet, call, exercise
from notebooks.exercises import expect as expect_bool


def expect(condition, words: str):
    expect_bool(bool(condition), words)  # also for NumPy's truth values


# 09.1: a made-up world, in which what an answer says shows how it was got.

RATES = {  # steps of training: how often the model is right on images that it was trained on, others, and test images
    10: (0.80, 0.95, 0.65),
    100: (0.90, 0.50, 0.75),
    1000: (1.00, 0.40, 0.55),
}
KEYS = ("reprogrammed", "linear", "constant")


class _World:
    """Small images of three classes, and a training whose success depends on the number of steps as `RATES` says."""

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self.y, self.y_test = np.repeat([0, 1, 2], (40, 30, 20)), np.repeat([0, 1, 2], (70, 100, 70))
        means = rng.normal(size=(3, 1, 4, 4))
        self.x, self.x_test = (means[y] + 1.6 * rng.normal(size=(len(y), 1, 4, 4)) for y in (self.y, self.y_test))
        parts = zip(("train", "test"), (self.x, self.x_test), (self.y, self.y_test), strict=True)
        self.known = {}  # an image: its part, its class, and how easy it is, evenly spread from 0 to 1
        for part, images, labels in parts:
            easy = rng.permutation((np.arange(len(labels)) + 0.5) / len(labels))
            self.known |= {self._name(*one[:1]): (part, *one[1:]) for one in zip(images, labels, easy, strict=True)}
        self.tried = set()

    @staticmethod
    def _name(image):
        return tuple(np.round(np.ravel(image), 6))

    def _of(self, images):
        images = np.asarray(images, float)
        expect(images.shape[1:] == (1, 4, 4), f"`train` and its model take images (N, 1, 4, 4), not {images.shape}.")
        found = [self._name(image) for image in images]
        expect(all(one in self.known for one in found), "Give `train` and its model the images as they are.")
        return found

    def train(self, x, y, steps):
        """As in the exercise: a model, trained for that many steps on x with the labels y."""
        seen, y = self._of(x), np.asarray(y)
        expect(steps in RATES, f"You trained for {steps} steps; the choices are 10, 100 and 1000.")
        expect(len(seen) == len(y), f"You trained on {len(seen)} images with {len(y)} labels.")
        expect(
            all(self.known[one][0] == "train" for one in seen),
            "You trained on test images. They are there for one look at the very end.",
        )
        expect(
            all(self.known[one][1] == label for one, label in zip(seen, y, strict=True)), "Images lost their labels."
        )
        self.tried.add(int(steps))
        return lambda images: self._scores(images, set(seen), RATES[steps])

    def _scores(self, images, seen, rates):
        scores = []
        for name in self._of(images):
            part, label, easy = self.known[name]
            rate = rates[0 if name in seen else 1 if part == "train" else 2]
            scores.append(np.eye(3)[label if easy < rate else (label + 1) % 3])
        return np.array(scores)

    def accuracy(self, steps):
        return np.mean([easy < RATES[steps][2] for part, _, easy in self.known.values() if part == "test"])

    def linear(self, images, labels):
        flat = [part.reshape(len(part), -1) for part in (self.x, images)]
        return LogisticRegression(max_iter=1000).fit(flat[0], self.y).score(flat[1], labels)


def _reprogrammed(found: float, world: _World):
    close_to = {steps: abs(found - world.accuracy(steps)) < 1e-9 for steps in RATES}
    on_training = [rates[0] for rates in RATES.values()] + [rates[1] for rates in RATES.values()]
    expect(
        not close_to[100],
        "You took the number of steps that is best on the test images. Chosen by them, it says too much: choose by "
        "training images that you held out, and look at the test images once.",
    )
    expect(
        not close_to[1000],
        "You took the number of steps that is best on the images it was trained on. More steps always fit those better: "
        "hold some training images out, and choose by them.",
    )
    expect(
        close_to[10] or min(abs(found - rate) for rate in on_training) > 0.06,
        f"An accuracy of {found:.2f} is not that of test images: was it measured on training images?",
    )
    expect(close_to[10], f"The accuracy on the test images is {found:.3f}, which is none of the right ones.")
    expect(world.tried == set(RATES), f"Right, but you tried {sorted(world.tried)} steps only: how do you know?")


def _linear(found: float, world: _World):
    test, train = world.linear(world.x_test, world.y_test), world.linear(world.x, world.y)
    words = "The linear model: fitted to the raw pixels of the training images, its accuracy on the test images."
    expect(abs(found - train) > 1e-9, f"{words} Yours, {found:.2f}, is that on the images it was fitted to.")
    flat = world.x_test.reshape(len(world.x_test), -1)
    cheat = LogisticRegression(max_iter=1000).fit(flat, world.y_test).score(flat, world.y_test)
    expect(abs(found - cheat) > 1e-9, f"{words} Yours was fitted to the test images.")
    expect(abs(found - test) < 0.06, f"{words} Yours has {found:.2f}; logistic regression has {test:.2f}.")


def _constant(found: float, world: _World):
    shares = np.bincount(world.y_test) / len(world.y_test)
    most = int(np.bincount(world.y).argmax())
    expect(
        abs(found - shares.max()) > 1e-9 or most == shares.argmax(),
        "The constant says the class that is commonest among the TEST images. Nobody knows that one beforehand.",
    )
    expect(
        abs(found - 1 / 3) > 1e-9 or abs(shares[most] - 1 / 3) < 1e-9,
        "One over the number of classes is for equal classes. Which constant answer do the training labels suggest?",
    )
    expect(abs(found - np.mean(world.y == most)) > 1e-9, "The constant's accuracy, too, is that on the test images.")
    expect(
        abs(found - shares[most]) < 1e-9,
        f"The constant answer that the training labels suggest is not right in {found:.2f}.",
    )


@exercise("09.1")
def honest(answer):
    for seed in (0, 1):
        world = _World(seed)
        copies = [part.copy() for part in (world.x, world.y, world.x_test, world.y_test)]
        found = call(answer, world.train, *copies, name="honest")
        expect(isinstance(found, dict), "honest should return a dictionary with three test accuracies.")
        lacking = [key for key in KEYS if key not in found]
        expect(
            not lacking,
            f"There is no {' and no '.join(map(repr, lacking))}: an accuracy without its baselines says nothing.",
        )
        numbers = {key: float(found[key]) for key in KEYS}
        expect(all(0 <= value <= 1 for value in numbers.values()), "An accuracy is a share, from 0 to 1.")
        _reprogrammed(numbers["reprogrammed"], world)
        _linear(numbers["linear"], world)
        _constant(numbers["constant"], world)
    return (
        f"Honest: {numbers['reprogrammed']:.2f}, beside {numbers['linear']:.2f} of a linear model and "
        f"{numbers['constant']:.2f} of a constant. By the test images it would have been {world.accuracy(100):.2f}."
    )


@exercise("09.2")
def betrayed(answer):
    matrix = np.asarray(answer, float)
    expect(matrix.shape == (3, 3), f"The answer has shape {matrix.shape}: give a 3 x 3 matrix.")
    expect(np.array_equal(matrix, matrix.T), "The matrix is not symmetric, so it is no kernel.")
    expect(abs(np.trace(matrix) - 3) < 1e-4, f"The trace is {np.trace(matrix):.6g}; it should be 3.")
    double = np.linalg.eigvalsh(matrix)
    single = np.linalg.eigvalsh(matrix.astype(np.float32)).astype(float)
    expect(
        double[0] >= 1e-9,
        f"In double precision the smallest eigenvalue is {double[0]:.1e}: it should be 1e-9 or more, truly above 0.",
    )
    off = abs(single[0] - double[0]) / double[0]
    said = f"Single precision says {single[0]:.1e}, double {double[0]:.1e}: "
    apart = np.abs(matrix - np.diag(np.diag(matrix))).max()
    expect(
        off > 0.5 or apart > 1e-6,
        said
        + "it gets the diagonal right, because it stores tiny numbers as precisely as large ones. Where does the small "
        "eigenvalue get lost? Where it is the difference of large entries.",
    )
    expect(
        off > 0.5,
        said + f"off by {off:.1%}. Eigenvalues above 3 x 1.2e-7 x the largest are safe; make the smallest smaller.",
    )
    return f"{said}the same matrix, once a kernel with an inverse, and once not."


def _run(layers, x):
    """Outputs of all layers u_l = W_l relu(u_(l-1)) + c_l, with x in front of the first."""
    found = []
    for weight, shift in layers:
        found.append((np.maximum(found[-1], 0) if found else x) @ np.asarray(weight).T + np.asarray(shift))
    return found


def _alike(outputs):
    """Mean cosine between the outputs of different examples."""
    rows = outputs / np.linalg.norm(outputs, axis=1, keepdims=True)
    return (rows @ rows.T)[~np.eye(len(rows), dtype=bool)].mean()


@exercise("09.3")
def fair(answer):
    rng = np.random.default_rng(93)
    sizes = (12, 60, 60, 60, 60, 20)
    weights = [rng.normal(size=(n, m)) * (2 / m) ** 0.5 for m, n in zip(sizes[:-1], sizes[1:], strict=True)]
    x = rng.uniform(size=(40, 12))
    given = [weight.copy() for weight in weights]
    found = call(answer, given, x.copy(), name="fair")
    expect(
        all(np.array_equal(a, b) for a, b in zip(given, weights, strict=True)),
        "Your function changes the weights that it was given: make new ones.",
    )
    expect(
        isinstance(found, list | tuple) and len(found) == len(weights) and all(len(one) == 2 for one in found),
        f"fair should return a list of {len(weights)} pairs (weight, shift), one for each layer.",
    )
    for (weight, shift), old in zip(found, weights, strict=True):
        if np.shape(weight) != old.shape or np.shape(shift) != old.shape[:1]:
            raise NotYet(
                f"A layer of weights {old.shape} became {np.shape(weight)} with shifts {np.shape(shift)}; "
                f"they should be {old.shape} and {old.shape[:1]}."
            )
    for number, u in enumerate(_run(found, x), start=1):
        mean, spread = u.mean(0), u.std(0)
        where = f"In layer {number}"
        if number > 1 and not (np.abs(mean).max() < 1e-3 and np.abs(spread - 1).max() < 1e-2):
            raise NotYet(
                f"{where} means reach {np.abs(mean).max():.2g} and spreads run from {spread.min():.2g} to "
                f"{spread.max():.2g}, although layers before it are right. What it gets has changed since they were: "
                "estimate layer by layer, on what the NEW layers before it give, and after the ReLU."
            )
        expect(
            abs(u.mean()) > 1e-3 or np.abs(mean).max() < 1e-3,
            f"{where} the mean over all units is 0, but that of single units is not: each unit has its own mean.",
        )
        expect(np.abs(mean).max() < 1e-3, f"{where} units have means up to {np.abs(mean).max():.2g}; they should be 0.")
        expect(
            np.abs(spread - 1).max() < 1e-2,
            f"{where} the spreads run from {spread.min():.2g} to {spread.max():.2g}; each unit should have 1.",
        )
    before, after = (_alike(_run(layers, x)[-1]) for layers in ([(one, np.zeros(len(one))) for one in weights], found))
    return (
        f"Two different inputs had outputs with a cosine of {before:.2f} on average; now it is {after:.2f}. "
        "The same weights, but a network that tells inputs apart."
    )


@exercise("09.4")
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


@exercise("09.5")
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
        expect(len(z) == probes, f"You used {len(z)} products with K; there should be one per probe, {probes} in all.")
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
