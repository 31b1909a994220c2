"""What we now believe: every paragraph follows from the committed data, and stops following when these change."""

import pytest

from figures import claims
from figures.claims import beliefs
from figures.claims.rules import CLAIMS
from figures.making.registry import committed_data
from mrntk.support.errors import MrntkError

pytestmark = pytest.mark.xdist_group("verdicts")  # all of them, which a process judges once


@pytest.fixture(scope="module")
def found():
    return {one.claim.id: one for one in claims.verdicts()}


def with_exchanged(column: str, one, other):
    """`committed_data`, with two values of a column exchanged."""

    def read(name: str):
        data = committed_data(name)
        swapped = {one: other, other: one}
        return data.assign(**{column: data[column].map(lambda value: swapped.get(value, value))})

    return read


@pytest.mark.parametrize("number", range(len(beliefs.BELIEFS)), ids=[one[2].__name__ for one in beliefs.BELIEFS])
def test_a_paragraph_answers_in_its_first_sentence(number, found):
    question, names, says = beliefs.BELIEFS[number]
    assert set(names) <= {claim.id for claim in CLAIMS} and question.endswith("?")
    if any(beliefs.waits(found[name].claim.figure) for name in names):
        pytest.skip("its figure waits for its data")
    text = says(found)
    assert text.endswith(".") and "nan" not in text and len(text) < 1100


CHANGES = {  # what would make the statement false
    beliefs.depth: ("depth", 2, 9),
    beliefs.smallest: ("depth", 2, 9),
    beliefs.gap: ("map", "fc", "vp"),
    beliefs.sources: ("depth", 1, 3),
    beliefs.larger_input: ("side", 28, 84),
    beliefs.real_architectures: ("family", "vgg", "resnet"),
    beliefs.frozen_features: ("map", "fc", "vp"),
    beliefs.quality: ("task", "digits", "fashion5k"),
    beliefs.few: ("way", "vp", "fc"),
    beliefs.pretrained: ("way", "reprogrammed", "untrained"),
    beliefs.series: ("way", "reprogrammed", "untrained"),
}


@pytest.mark.parametrize("says", CHANGES, ids=lambda says: says.__name__)
def test_a_statement_that_stops_being_true_stops_the_page(says, found, monkeypatch):
    monkeypatch.setattr(beliefs, "committed_data", with_exchanged(*CHANGES[says]))
    with pytest.raises(MrntkError, match="does not follow from the data any more"):
        says(found)


def test_the_answers_in_short_are_their_first_sentences(found):
    verdicts = list(found.values())
    rows = beliefs.in_short(verdicts).splitlines()[2:]
    paragraphs = beliefs.beliefs(verdicts).split("\n\n")
    assert len(rows) == len(paragraphs) == len(beliefs.answers(verdicts)) >= 7
    for row, paragraph in zip(rows, paragraphs, strict=True):
        question, answer = row.strip("| ").split(" | ")
        assert paragraph.startswith(f"**{question}**") and answer in paragraph
