"""Cards are complete, the listing shows all of them, and every offline task has a sample picture."""

import numpy as np
import pytest

from mrntk import MrntkError, load_task
from mrntk.sources.catalogue import catalogue, describe, listing, sample_picture, table

ENTRIES = [(kind, name) for kind, entries in catalogue().items() for name in entries]
OFFLINE_TASKS = [name for name, entry in catalogue()["task"].items() if entry.card.offline]


@pytest.mark.parametrize("kind, name", ENTRIES)
def test_cards_are_complete(kind, name):
    card = catalogue()[kind][name].card
    assert card.name == name
    for words in (card.title, card.size, card.origin, card.licence, card.citation):
        assert len(words) >= 3
    if kind == "task":
        assert len(card.classes) == card.num_classes or not card.shape


def test_the_listing_names_everything():
    lines = listing().splitlines()
    for _, name in ENTRIES:
        assert any(line.split()[0] == name for line in lines)
    assert max(map(len, lines)) <= 100


def test_a_card_in_full():
    words = " ".join(describe("digits").split())
    for part in (
        "digits: small handwritten digits",
        "8x8",
        "1,297 + 500",
        "package scikit-learn",
        "CC BY 4.0",
        "Alpaydin",
        "load_task('digits')",
    ):
        assert part in words
    with pytest.raises(MrntkError, match="source or task 'nothing' is unknown: `mrntk list` names them all"):
        describe("nothing")


@pytest.mark.parametrize("kind", ["source", "task"])
def test_the_readme_has_the_table(kind, root):
    page = root / "mrntk" / "README.md"
    assert table(kind) in page.read_text(), f"put `mrntk list --table {kind}` into mrntk/README.md"


@pytest.mark.parametrize("name", OFFLINE_TASKS)
def test_offline_tasks_are_as_their_card_says_and_can_be_drawn(name):
    task = load_task(name)
    assert task.input_shape == task.card.shape or not task.card.shape
    labels = np.concatenate([task.y_train, task.y_test])
    assert set(labels) == set(range(task.num_classes))
    assert np.isfinite(task.x_train).all() and np.isfinite(task.x_test).all()
    if task.card.shape and "," in task.card.size:  # "1,297 + 500 images"
        numbers = [int(word.replace(",", "")) for word in task.card.size.split() if word[0].isdigit()]
        assert numbers == [len(task.x_train), len(task.x_test)]
    figure = sample_picture(task)
    figure.canvas.draw()
    assert any(axis.has_data() for axis in figure.axes)
