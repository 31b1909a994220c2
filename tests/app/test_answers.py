"""What the page is told of a setting is what the library computes."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from mrntk.app.answers import answer, progress
from mrntk.widgets.reprogramming import read_setting
from mrntk.widgets.reprogramming.analysis import analyse
from mrntk.widgets.reprogramming.live import train

TOY = "source=random&depth=2&examples=6"


def opened(picture):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture["image"]))))


@pytest.mark.parametrize(
    "changes", ["", "&input_map=fc", "&input_map=vp_fc", "&input_map=watermark", "&task=photos", "&fraction=1.2"]
)
def test_an_answer_is_plain_json_of_the_kernel_s_numbers(changes):
    found = analyse(read_setting(TOY + changes))
    told = json.loads(json.dumps(answer(found), allow_nan=False))
    values = found.spectrum.values[::-1]
    rank = found.spectrum.rank
    assert told["facts"]["rank"] == rank == len(told["spectrum"]["values"])
    assert told["facts"]["outputs"] == len(values) == len(told["spectrum"]["shares"])
    np.testing.assert_allclose(told["spectrum"]["values"], values[:rank], rtol=1e-3)
    np.testing.assert_allclose(told["spectrum"]["shares"][-1], 1, rtol=1e-3)
    shown = np.array([np.nan if loss is None else loss for loss in told["losses"]])
    np.testing.assert_allclose(shown, np.where(np.isfinite(found.losses), found.losses, np.nan), rtol=1e-3)
    assert read_setting(told["query"]) == found.setting == read_setting(told["setting"])
    assert [("image" in one or "series" in one) and one["alt"] for one in told["pictures"]]
    right = (found.before.outputs.argmax(1) == found.before.y.argmax(1)).sum()
    assert (told["example"]["right"], told["example"]["all"]) == (right, len(found.before.y))


def test_the_trained_places_are_orange_and_as_many_as_there_are_numbers():
    found = analyse(read_setting(TOY))
    trained = opened(answer(found)["pictures"][1]).astype(int)
    orange = (trained[..., 0] - trained[..., 2]) > 80
    assert orange.sum() == found.parameters == 96
    assert not orange[2:12, 2:12].any()


def test_a_layer_is_shown_by_rows_of_its_weights():
    shown = opened(answer(analyse(read_setting(f"{TOY}&input_map=fc")))["pictures"][1])
    assert shown.shape == (5 * 9 - 1, 5 * 9 - 1, 3) and shown[..., 0].std() > 20


def test_a_series_is_told_as_numbers():
    found = analyse(read_setting("source=crepe-tiny&task=italypower&examples=4"))
    x, trained, z = answer(found)["pictures"]
    assert len(x["series"]) == 24 and len(z["series"]) == 1024 == len(trained["trained"])
    assert sum(place == 2 for place in trained["trained"]) == found.parameters


def test_training_is_told_once():
    found, losses = analyse(read_setting(TOY)), []
    for run in train(found):
        if len(run.losses) % 30 == 0 or run.done:
            told = progress(run, found, len(losses))
            losses += told["losses"]
    np.testing.assert_allclose(losses, run.losses, rtol=1e-3)
    assert told["outcome"].startswith("Real training after 100 steps")
