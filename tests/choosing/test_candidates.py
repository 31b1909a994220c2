"""Candidates in words, and the models that are made of them."""

import jax
import numpy as np
import pytest

from mrntk import MrntkError, load_source, load_task
from mrntk.choosing.candidates import EVERY, Candidate, check_source, model_of, read_source, split_sources, suited

SMALL = "dnn:input_shape=(1,6,6),num_outputs=10,depth=2,width=8"


def test_a_source_in_words_is_loaded_with_its_options():
    name, options = read_source(SMALL)
    assert name == "dnn" and options == {"input_shape": (1, 6, 6), "num_outputs": 10, "depth": 2, "width": 8}
    assert load_source(name, **options).input_shape == (1, 6, 6)
    assert read_source("efficientnet-lite0:side=64,untrained=0") == ("efficientnet-lite0", {"side": 64, "untrained": 0})
    assert read_source("clip:hub/name=1") == ("clip:hub/name=1", {})


def test_commas_between_options_part_no_sources():
    assert split_sources(f" {SMALL},crepe-tiny, mine.onnx,") == [SMALL, "crepe-tiny", "mine.onnx"]
    for one in EVERY:
        assert split_sources(f"{one},crepe-full") == [one, "crepe-full"]
        check_source(one)


@pytest.mark.parametrize(
    "words, said",
    [
        ("dn", "source 'dn' is unknown: did you mean"),
        ("nothing.onnx", "there is no such file or folder"),
        ("some/where", "there is no such file or folder"),
        ("dnn:depth=3,,width=2", "is no option; write name:option=value"),
    ],
)
def test_what_cannot_be_a_source_is_said_before_anything_is_loaded(words, said):
    with pytest.raises(MrntkError, match=said):
        check_source(words)


def test_inputs_suit_their_input_map():
    grey = np.random.default_rng(0).uniform(size=(2, 1, 3, 3))
    colours = suited(grey, "vp", (3, 5, 5))
    np.testing.assert_array_equal(colours[:, 2], grey[:, 0])
    np.testing.assert_allclose(suited(colours, "vp", (1, 5, 5)), grey)
    assert suited(grey, "fc", (3, 5, 5)) is grey and suited(grey, "watermark", (3, 5, 5)).shape == (2, 3, 5, 5)


def test_a_prompt_joins_no_series_to_a_network_for_images():
    with pytest.raises(
        MrntkError, match=r"takes images and the task has series: only a layer \(fc, vp_fc\) joins them"
    ):
        suited(np.zeros((2, 1, 9)), "vp", (1, 6, 6))


@pytest.mark.parametrize("input_map", ["fc", "vp", "vp_fc", "watermark"])
@pytest.mark.parametrize("output_map", ["random", "frequency", "bayesian"])
def test_every_candidate_becomes_a_model(input_map, output_map):
    task, source = load_task("digits"), load_source("dnn", input_shape=(1, 6, 6), num_outputs=12, depth=2, width=8)
    candidate = Candidate("digits", SMALL, input_map, output_map=output_map)
    inputs, labels = task.x_train[:20].astype(np.float32), task.y_train[:20]
    model, x = model_of(source, candidate, task, inputs, labels, jax.random.key(0))
    assert jax.vmap(model)(x).shape == (20, 10)


def test_more_classes_than_outputs_are_refused():
    task, source = load_task("digits"), load_source("dnn", input_shape=(1, 6, 6), num_outputs=3, depth=2, width=8)
    with pytest.raises(MrntkError, match="it has 3 outputs and the task has 10 classes"):
        model_of(source, Candidate("digits", SMALL), task, task.x_train[:20], task.y_train[:20], jax.random.key(0))
