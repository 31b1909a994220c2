"""The empirical NTK is J J^T, whatever the parts, the blocks, the form and the path, and has a kernel's properties."""

import os
import tempfile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import (
    CNN,
    DNN,
    VGG,
    FullyConnected,
    FullyConnectedPrompt,
    MrntkError,
    Reprogram,
    ResNet,
    SeededFullyConnected,
    VisualPrompt,
    Watermark,
    empirical_ntk,
)
from mrntk.model.input_maps import Identity
from mrntk.model.output_maps import (
    IdentityOutput,
    LinearOutput,
    TrainedLinear,
    bayesian_mapping,
    frequency_mapping,
    random_mapping,
)
from mrntk.ntk.compat import neural_tangents
from mrntk.ntk.empirical import estimated_bytes, stacked_factors
from mrntk.ntk.plan import sizes
from mrntk.spectrum import as_matrix
from mrntk.support.precision import double, in_float64

SHAPE = (1, 8, 8)
COUNT, CLASSES = 5, 3
LABELS = np.array([0, 1, 1, 0, 1])
SCORES = np.random.default_rng(2).normal(size=(COUNT, CLASSES))

SOURCES = {
    "dnn": lambda key: DNN(SHAPE, CLASSES, depth=3, width=7, key=key),
    "cnn": lambda key: CNN(SHAPE, CLASSES, depth=2, width=4, key=key),
    "vgg": lambda key: VGG(SHAPE, CLASSES, levels=1, groups=2, width=3, key=key),
    "resnet": lambda key: ResNet(SHAPE, CLASSES, levels=1, groups=1, width=3, key=key),
}
INPUTS = {
    "identity": lambda key: Identity(),
    "watermark": lambda key: Watermark(SHAPE),
    "vp": lambda key: VisualPrompt(SHAPE, (4, 4)),
    "fc": lambda key: FullyConnected((1, 8, 8), SHAPE, key=key),
    "fc then vp": lambda key: FullyConnectedPrompt((1, 8, 8), SHAPE, (4, 6), key=key),
}
OUTPUTS = {
    "identity": lambda key: IdentityOutput(),
    "linear": lambda key: LinearOutput(jax.random.normal(key, (2, CLASSES))),
    "random": lambda key: random_mapping(key, CLASSES, 2),
    "frequency": lambda key: frequency_mapping(SCORES, LABELS, 2),
    "bayesian": lambda key: bayesian_mapping(SCORES, LABELS, 2),
    "trained": lambda key: TrainedLinear.random(key, CLASSES, 2),
}


@pytest.fixture
def x():
    return np.random.default_rng(3).uniform(size=(COUNT, *SHAPE))


def moved(model, key):
    """The model away from its start, where nothing is zero by construction."""
    leaves, tree = jax.tree.flatten(model.theta())
    noise = [leaf + 0.3 * jax.random.normal(jax.random.fold_in(key, i), leaf.shape) for i, leaf in enumerate(leaves)]
    return model.with_theta(jax.tree.unflatten(tree, noise))


@in_float64
def jacobian_product(model, x, other):
    """J J^T over everything that is trained, by automatic differentiation in float64."""

    if not jax.tree.leaves(model.theta()):
        c = len(model(x[0]))
        return np.zeros((len(x), c, len(other), c))

    @eqx.filter_jit
    def jacobian(model, x):
        leaves = jax.tree.leaves(jax.jacrev(lambda theta: jax.vmap(model.with_theta(theta))(x))(model.theta()))
        return jnp.concatenate([leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves], axis=2)

    return np.einsum("icp,jdp->icjd", jacobian(model, x), jacobian(model, other))


def agree(got, expected):
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    return True


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", INPUTS)
def test_every_source_and_transformation(name, source, key, x):
    """With a plain and with a trained output map, and blocks that do not divide N."""
    for output in ("linear", "trained"):
        model = moved(Reprogram(INPUTS[name](key), SOURCES[source](key), OUTPUTS[output](key)), key)
        agree(empirical_ntk(model, x, block=2), jacobian_product(model, x, x))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", ["vp", "fc then vp"])
def test_every_output_map(name, output, key, x):
    model = moved(Reprogram(INPUTS[name](key), SOURCES["cnn"](key), OUTPUTS[output](key)), key)
    agree(empirical_ntk(model, x), jacobian_product(model, x, x))


@pytest.fixture
def model(key):
    return moved(Reprogram(INPUTS["fc then vp"](key), SOURCES["cnn"](key), OUTPUTS["trained"](key)), key)


@pytest.mark.parametrize("block", [1, 2, 3, 5, 64])
def test_blocks_change_nothing(block, model, x):
    agree(empirical_ntk(model, x, block=block), empirical_ntk(model, x))


def test_test_train_kernel(model, x):
    agree(empirical_ntk(model, x[:2], x[1:]), jacobian_product(model, x[:2], x[1:]))


@pytest.mark.parametrize("others", [None, 3])
def test_forms(others, model, x):
    """Class-summed and block-diagonal forms are what the full kernel says."""
    y = None if others is None else x[:others]
    full = empirical_ntk(model, x, y)
    agree(empirical_ntk(model, x, y, form="class_sum"), np.einsum("icjc->ij", full))
    agree(empirical_ntk(model, x, y, form="class_blocks"), np.einsum("icjc->cij", full))


@pytest.fixture
def many():
    return np.random.default_rng(4).uniform(size=(24, *SHAPE))


def tight(model, x, y=None, form="full"):
    """A memory limit that leaves room for the kernel and a few rows, not for all of them."""
    with jax.enable_x64(True):
        size = sizes(double(model), x)
    return estimated_bytes(model, x, y, form=form)["result"] + size.work_bytes + 3 * size.row_bytes


@pytest.mark.parametrize("form", ["full", "class_sum", "class_blocks"])
@pytest.mark.parametrize("others", [None, 7])
def test_rows_on_disk_give_the_same(form, others, model, many, tmp_path, monkeypatch):
    """Memory for little more than the kernel: rows go to a temporary file, which is gone afterwards."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spilled, real_mkdtemp = [], tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **options: spilled.append(1) or real_mkdtemp(**options))
    y = None if others is None else many[:others]
    got = empirical_ntk(model, many, y, form=form, memory_limit=tight(model, many, y, form))
    assert spilled and os.listdir(tmp_path) == []
    agree(got, empirical_ntk(model, many, y, form=form))


@pytest.mark.parametrize("form", ["full", "class_sum", "class_blocks"])
def test_accelerator_path_gives_the_same(form, model, x, monkeypatch):
    """Where there is a GPU the Gram blocks are JAX's; here the same code runs on the CPU."""
    expected = empirical_ntk(model, x, x[:3], form=form)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    agree(empirical_ntk(model, x, x[:3], form=form), expected)


def test_each_row_is_computed_once(model, many, monkeypatch):
    """Also with many Gram blocks on disk: as many backward passes as blocks of examples, not of pairs."""
    from mrntk.ntk import rows

    seen, real = [], rows.block_factors
    monkeypatch.setattr(rows, "block_factors", lambda model, part, z: seen.append(len(part)) or real(model, part, z))
    empirical_ntk(model, many, block=5, memory_limit=tight(model, many))
    assert seen == [5] * 5  # the last block is filled up


def test_progress_sees_every_block(model, x):
    seen = []
    empirical_ntk(model, x, block=2, progress=lambda blocks: (seen.append(block) or block for block in blocks))
    assert [block.start for block in seen] == [0, 2, 4]


def test_factors_rebuild_the_kernel(model, x):
    factors = stacked_factors(model, x)
    rebuilt = sum(np.einsum("ip,jp,icm,jdm->icjd", f.u, f.u, f.v, f.v) for f in factors)
    agree(rebuilt, empirical_ntk(model, x))


@pytest.mark.parametrize("name", ["vp", "fc"])
@pytest.mark.parametrize("implementation", [1, 2])
def test_equals_neural_tangents(name, implementation, key, x):
    nt = neural_tangents()
    model = Reprogram(INPUTS[name](key), SOURCES["dnn"](key))
    with jax.enable_x64(True):
        wide = double(model)
        leaves, tree = jax.tree.flatten(wide.theta())

        def outputs(leaves, x):
            return jax.vmap(wide.with_theta(jax.tree.unflatten(tree, leaves)))(x)

        expected = nt.empirical_ntk_fn(outputs, trace_axes=(), implementation=implementation)(x, None, leaves)
    agree(empirical_ntk(model, x), np.asarray(expected).transpose(0, 2, 1, 3))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(["fc", "vp", "watermark"]), count=st.integers(1, 5))
def test_symmetric_positive_and_equivariant(seed, name, count):
    rng = np.random.default_rng(seed)
    key = jax.random.key(seed)
    model = Reprogram(INPUTS[name](key), CNN(SHAPE, 2, depth=1, width=4, key=key))
    x = rng.uniform(size=(count, *SHAPE))
    kernel = empirical_ntk(model, x)
    matrix = as_matrix(kernel)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14)
    assert np.linalg.eigvalsh(matrix)[0] > -1e-10 * max(1, np.trace(matrix))
    order = rng.permutation(count)
    np.testing.assert_allclose(empirical_ntk(model, x[order]), kernel[order][:, :, order], rtol=1e-9, atol=1e-12)


def test_capacity_law(key, x):
    """The rank of VP's matrix is at most the number of prompt entries: four of them against fifteen outputs."""
    mask = np.zeros(SHAPE, bool)
    mask[0, 0, :4] = True
    model = Reprogram(VisualPrompt(SHAPE, (4, 4), mask=mask), SOURCES["dnn"](key))
    values = np.linalg.eigvalsh(as_matrix(empirical_ntk(model, x)))
    assert (values > 1e-10 * values[-1]).sum() <= 4


def test_seeded_layer_is_the_layer_that_its_rows_make(key, x):
    """Rows drawn again and again give one fixed W, the same kernel as the stored layer, and no dependence on precision."""
    seeded = SeededFullyConnected(SHAPE, SHAPE, key=key, rows=10)
    blocks = [seeded.weight_rows(jnp.asarray(i)) for i in range(7)]  # 7 blocks of 10 rows hold the 64 that are used
    weight, bias = (np.concatenate([block[part] for block in blocks])[:64] for part in (0, 1))
    stored = FullyConnected(SHAPE, SHAPE, key=key)
    stored = eqx.tree_at(lambda fc: (fc.weight, fc.bias), stored, (jnp.asarray(weight), jnp.asarray(bias)))
    assert np.var(weight) == pytest.approx(2 / 64, rel=0.1) and seeded.num_parameters == stored.num_parameters
    source = SOURCES["cnn"](key)
    agree(empirical_ntk(Reprogram(seeded, source), x, block=2), empirical_ntk(Reprogram(stored, source), x))
    agree(empirical_ntk(Reprogram(seeded, source), x[:3]), empirical_ntk(Reprogram(seeded, source), x)[:3, :, :3])


class Undrawn(SeededFullyConnected):
    """W is not drawn: behind a linear source g is the same at every a(x). How W is drawn is tested at smaller sizes."""

    def __call__(self, x):
        return jnp.zeros(self.source_shape, x.dtype)


def test_fully_connected_at_112_by_112_by_3(key):
    """1.4e9 weights, neither stored nor drawn. Behind a linear source g is the same everywhere: the kernel is known by hand."""
    shape = (3, 112, 112)
    x = np.random.default_rng(0).uniform(size=(2, *shape))
    with pytest.raises(MrntkError, match="W would take 5.7 GB; use SeededFullyConnected"):
        FullyConnected(shape, shape, key=key)
    seeded = Undrawn(shape, shape, key=jax.random.key(0))
    source = DNN(shape, 2, depth=1, width=1, key=key)
    g, flat = np.asarray(source.layers[0].weight, float), x.reshape(2, -1)
    expected = np.einsum("ij,cd->icjd", flat @ flat.T + 1, g @ g.T)
    agree(empirical_ntk(Reprogram(seeded, source), x), expected)
    assert seeded.num_parameters == 37632 * 37633


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda x: np.where(x == x[0, 0, 0, 0], np.nan, x), "x holds NaN or infinite values"),
        (lambda x: np.where(x == x[0, 0, 0, 0], np.inf, x), "x holds NaN or infinite values"),
        (lambda x: x[0, 0, 0], "x has shape .8,.: give a batch"),
        (lambda x: x[:0], "x has shape .0, 1, 8, 8.: give a batch"),
        (lambda x: x[:, :, :5], "x has shape .1, 5, 8.: this input map was made for inputs of shape"),
    ],
)
def test_bad_data(change, sentence, key, x):
    with pytest.raises(MrntkError, match=sentence):
        empirical_ntk(Reprogram(INPUTS["fc"](key), SOURCES["dnn"](key)), change(x))


def test_parts_that_do_not_fit(key, x):
    source = SOURCES["dnn"](key)
    with pytest.raises(
        MrntkError, match="matrix has shape .2, 4., .c_T, c_S., but the source's scores have shape .3,."
    ):
        empirical_ntk(Reprogram(INPUTS["vp"](key), source, LinearOutput(jnp.ones((2, 4)))), x)
    with pytest.raises(MrntkError, match="input_map: the source does not take what it is given, shape .9,."):
        empirical_ntk(Reprogram(FullyConnected(SHAPE, (9,), key=key), source), x)


def test_unknown_form_and_block(model, x):
    with pytest.raises(MrntkError, match="form='half' is unknown: choose one of full"):
        empirical_ntk(model, x, form="half")
    with pytest.raises(MrntkError, match="block=0 is too small"):
        empirical_ntk(model, x, block=0)


def test_too_large_for_memory(model, x):
    with pytest.raises(
        MrntkError,
        match="5 examples: the full kernel takes .* GB, differentiating one .* memory_limit is .* use fewer examples",
    ):
        empirical_ntk(model, x, memory_limit=1000)


def test_too_large_for_the_disk(model, many, monkeypatch):
    from collections import namedtuple

    from mrntk.ntk import storage

    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: namedtuple("usage", "free")(100))
    with pytest.raises(MrntkError, match="x has 24 examples, whose Jacobian rows take .* GB of temporary disk space"):
        empirical_ntk(model, many, memory_limit=tight(model, many))
