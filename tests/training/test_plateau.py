"""Training ends when the loss no longer changes, or when nothing is left to learn; and goes on to the same numbers."""

import jax
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrntk import Reprogram, Watermark, fit
from mrntk.training import Plateau, late_losses


@given(st.integers(50, 3000), st.floats(0.1, 10))
def test_a_flat_loss_is_a_plateau_and_a_falling_one_is_not(steps, level):
    until = Plateau(checks=(steps,))
    assert until(np.full(steps, level))
    assert not until(level * np.exp(-np.arange(steps) * 10 / steps))
    assert not until(np.full(steps - 1, level))  # not asked


def test_late_losses_see_through_single_jumps():
    losses = np.ones(1000)
    losses[[895, 999]] = 50.0
    assert late_losses(losses) == (1.0, 1.0)
    assert late_losses(np.array([3.0])) == (3.0, 3.0)


@pytest.mark.parametrize("power, plateau", [(0.1, True), (1.0, False)])
def test_a_power_law_is_judged_by_what_its_last_tenth_changes(power, plateau):
    losses = np.arange(1, 1001) ** -power  # the last tenth changes it by 1 - 0.9**power
    assert Plateau(checks=(1000,))(losses) == plateau


def model():
    return Reprogram(Watermark((1,)), lambda s: s)


def train(**options):
    x, y = np.zeros((4, 1)), np.ones((4, 1))
    return fit(model(), x, y, key=jax.random.key(0), optimiser=optax.sgd(0.1), epochs=400, **options)


def test_fit_ends_when_until_says_so():
    result = train(until=lambda losses: len(losses) == 7)
    assert result.epochs == len(result.train_losses) == 7
    assert train(until=Plateau(checks=(100,), solved=1e-3)).epochs == 50  # asked after every 50th epoch


def test_an_ended_training_is_not_continued_from_its_checkpoint(tmp_path):
    until = Plateau(checks=(100,), solved=1e-3)
    first = train(until=until, checkpoint=tmp_path / "it")
    again = train(until=until, checkpoint=tmp_path / "it")
    assert first.epochs == again.epochs == 50
    assert (first.train_losses == again.train_losses).all()
    longer = train(checkpoint=tmp_path / "it")
    assert longer.epochs == 400 and (longer.train_losses == train().train_losses).all()
