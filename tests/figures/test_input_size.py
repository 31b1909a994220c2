"""Sources at several input sizes: units that are silent are counted, and larger inputs get smaller rates."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from figures.experiments.sources import RATES
from figures.input_size import rate, silent
from mrntk import DNN


def test_silent_units_are_those_that_give_nothing_for_all_inputs(key):
    source = DNN((1, 3, 3), 2, depth=2, width=8, key=key)
    x = np.asarray(jax.random.uniform(key, (20, 1, 3, 3)))
    first = source.layers[0]
    bias = jnp.array([-100.0] * 3 + [100.0] * 5)  # three are off whatever comes, five are on
    source = eqx.tree_at(lambda one: one.layers[0], source, eqx.tree_at(lambda one: one.bias, first, bias))
    assert silent(source, x) == pytest.approx(3 / 8)
    assert silent(DNN((1, 3, 3), 2, depth=1, width=8, key=key), x) == 0


def test_the_rate_is_in_inverse_proportion_to_the_number_of_pixels():
    assert rate(28) == RATES["dnn"] and rate(84) == pytest.approx(RATES["dnn"] / 9)
