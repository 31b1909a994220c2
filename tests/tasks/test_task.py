"""Classes in turn: balanced, nested, a function of the seed."""

import numpy as np
import pytest

from mrntk import MrntkError, load_task
from mrntk.tasks.task import rows_in_turn


def test_few_are_the_first_of_many_and_classes_take_turns():
    task = load_task("digits")
    few, many = rows_in_turn(task, 20, 3), rows_in_turn(task, 33, 3)
    np.testing.assert_array_equal(few, many[:20])
    np.testing.assert_array_equal(task.y_train[many[:20]], [*range(10), *range(10)])
    assert len(set(many)) == 33 and (few != rows_in_turn(task, 20, 4)).any()


def test_all_examples_and_no_more():
    task = load_task("gunpoint")
    count = len(task.y_train)
    assert sorted(rows_in_turn(task, count, 0)) == list(range(count))
    with pytest.raises(MrntkError, match=f"examples={count + 1}: the task gunpoint has {count} training examples"):
        rows_in_turn(task, count + 1, 0)
