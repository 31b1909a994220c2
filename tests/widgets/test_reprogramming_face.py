"""The explorer's face without a browser: order, cancelling, pins, links, the reader's own source."""

import asyncio
import time
from datetime import UTC, datetime

import onnx
import pytest
from onnx import TensorProto

from mrntk.support.cache import cache_folder
from mrntk.support.errors import MrntkError
from mrntk.widgets.reprogramming import ReprogrammingExplorer, Setting, upload
from mrntk.widgets.reprogramming.upload import own_from
from mrntk.widgets.reprogramming.view import ReprogrammingView

SMALL = {"source": "random", "examples": 6}


async def until(condition, seconds: float = 20):
    """Wait for it, and fail if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        await asyncio.sleep(0.02)


def test_it_starts_with_an_answer_and_moves_with_its_controls():
    explorer = ReprogrammingExplorer(SMALL)
    first, rank = explorer.picture, explorer.shown.analysis.spectrum.rank
    assert explorer.setting == Setting(**SMALL) and explorer.link.value == "?source=random&examples=6"
    explorer.faces["input_map"].value = "fc"
    assert explorer.picture != first and explorer.shown.analysis.spectrum.rank > rank
    assert explorer.said.startswith("Changed: input map a: prompt (VP) → fully connected layer (FC).")
    assert f'alt="{explorer.alt}"'.replace("'", "&#x27;") in explorer.output.value
    assert "λ_max" in explorer.output.value and explorer.progress.layout.visibility == "hidden"


def test_what_a_hand_drags_is_not_written_back():
    """A slider puts 0.30000000000000004; writing back 0.3 would reach the browser after the next place of the hand."""
    explorer = ReprogrammingExplorer(SMALL)
    face, put = explorer.faces["frame"], []
    face.observe(lambda change: put.append(change["new"]), "value")
    face.value = 6 * 0.05
    assert put == [6 * 0.05] != [0.3] and explorer.setting.frame == 0.3 and "frame=0.3" in explorer.link.value


def test_a_link_sets_all_controls_at_once_and_a_wrong_one_is_an_error_in_words():
    explorer = ReprogrammingExplorer(SMALL)
    explorer.link.value = '{"source": "random", "examples": 5, "depth": 2, "loss": "ce"}'
    assert explorer.setting == Setting(source="random", examples=5, depth=2, loss="ce")
    assert explorer.shown.analysis.setting == explorer.setting
    explorer.link.value = "?depth=99"
    assert 'role="alert">depth=99: give a number from 1 to 6' in explorer.message.value
    assert explorer.setting.depth == 2
    with pytest.raises(MrntkError, match="'width' is unknown in a setting"):
        ReprogrammingExplorer("?width=3")


def test_a_mistake_is_said_and_the_next_setting_works():
    explorer = ReprogrammingExplorer(SMALL)
    explorer.faces["task"].value = "gunpoint"
    assert (
        "sees images; choose one of" in explorer.message.value and not explorer.output.value and explorer.shown is None
    )
    explorer.train()  # there is nothing to train
    explorer.faces["task"].value = "fashion5k"
    assert explorer.message.value == "" and explorer.shown.analysis.setting.task == "fashion5k"


def test_two_settings_side_by_side():
    explorer = ReprogrammingExplorer(SMALL)
    explorer.pin()
    explorer.set(depth=1)
    assert explorer.output.value.count("<img ") == 2 and explorer.output.value.count('<th scope="col"') == 3
    assert explorer.pinned.analysis.setting.depth == 3 and explorer.shown.analysis.setting.depth == 1
    explorer.unpin()
    assert explorer.output.value.count("<img ") == 1


def test_real_training_without_a_loop():
    explorer = ReprogrammingExplorer(SMALL)
    before = explorer.picture
    explorer.train()
    assert explorer.shown.run.done and explorer.picture != before and "Real training after 100 steps" in explorer.said
    explorer.set(depth=2)
    assert explorer.shown.run is None


@pytest.fixture
def slow(monkeypatch):
    """Computing takes the longer the narrower the frame, so that older requests would end later; and how many began."""
    begun, compute = [], ReprogrammingView.compute

    def slowly(self, *, say=lambda share: None, **values):
        begun.append(values["frame"])
        end = time.monotonic() + 0.5 - values["frame"]
        while time.monotonic() < end:
            say(0.5)
            time.sleep(0.005)
        return compute(self, **values)

    monkeypatch.setattr(ReprogrammingView, "compute", slowly)
    return begun


def test_a_fast_drag_shows_the_last_value_and_never_an_older_one(slow):
    async def drag():
        explorer, shown = ReprogrammingExplorer(SMALL), []
        explorer.output.observe(lambda _: shown.append(explorer.shown.analysis.setting.frame), "value")
        for step, pause in enumerate((0, 0.01, 0.1, 0.2, 0.01, 0, 0.15), start=1):
            explorer.faces["frame"].value = round(0.1 + 0.05 * step, 2)
            await asyncio.sleep(pause)
        await until(lambda: shown and shown[-1] == explorer.setting.frame)
        await asyncio.sleep(0.6)
        return shown

    shown = asyncio.run(drag())
    assert shown == sorted(shown) and shown[-1] == 0.45 and len(shown) < 7


def test_cancel_stops_and_keeps_what_is_shown(slow):
    async def go():
        explorer = ReprogrammingExplorer(SMALL)
        kept, begun = explorer.output.value, len(slow)
        explorer.faces["depth"].value = 5
        await until(lambda: len(slow) > begun)
        assert explorer.progress.layout.visibility == "visible"
        explorer.cancel()
        await asyncio.sleep(0.7)
        assert explorer.output.value == kept and "Stopped" in explorer.message.value
        assert explorer.progress.layout.visibility == "hidden"

    asyncio.run(go())


def test_training_is_watched_and_cancelled(monkeypatch):
    from mrntk.widgets.reprogramming import face

    monkeypatch.setattr(face, "REFRESH", 0.0)
    quick = face.train

    def slower(analysis, say):
        for run in quick(analysis, say):
            time.sleep(0.02)
            yield run

    monkeypatch.setattr(face, "train", slower)

    async def go():
        explorer, lengths = ReprogrammingExplorer(SMALL), []
        explorer.output.observe(lambda _: lengths.append(len(explorer.shown.run.losses)), "value")
        explorer.train()
        await until(lambda: len(lengths) > 3)
        explorer.cancel()
        at = explorer.shown.run
        await asyncio.sleep(0.3)
        assert explorer.shown.run == at and not at.done and lengths == sorted(lengths)
        monkeypatch.setattr(face, "REFRESH", 100)
        explorer.train()
        await until(lambda: explorer.shown.run.done)

    asyncio.run(go())


def test_a_change_ends_a_training():
    async def go():
        explorer = ReprogrammingExplorer(SMALL)
        explorer.train()
        explorer.faces["depth"].value = 2
        await until(lambda: explorer.shown.analysis.setting.depth == 2)
        await asyncio.sleep(0.3)
        assert explorer.shown.run is None

    asyncio.run(go())


def test_an_own_source_is_read_once_and_nothing_stays_behind(linear_file):
    explorer = ReprogrammingExplorer(SMALL, uploads=True)
    file = {"name": "mine.onnx", "type": "", "size": len(linear_file), "content": memoryview(linear_file)}
    explorer.upload.value = (file | {"last_modified": datetime.now(UTC)},)
    assert explorer.message.value == ""
    found = explorer.shown.analysis
    assert found.start.network.words == "your file mine.onnx" and found.before.x.shape == (6, 1, 8, 8)
    assert found.start.network.source.num_outputs == 12
    assert not list(cache_folder("uploads").iterdir())
    explorer.faces["input_map"].value = "fc"
    assert explorer.shown.analysis.parameters == 25 * 65
    explorer.faces["source"].value = "random"
    assert explorer.shown.analysis.start.network.words.startswith("random network")


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("mine.pkl", b"x", "give an .onnx file"),
        ("../../mine.onnx", b"not a model", "truncated"),
        ("mine.onnx", b"0" * 21_000_000, "give at most 20 MB"),
        ("mine.onnx", b"", "export"),
    ],
)
def test_wrong_uploads_are_errors_in_words(name, content, words):
    with pytest.raises(MrntkError, match=words) as caught:
        own_from(name, content)
    assert str(cache_folder("uploads")) not in str(caught.value)
    assert not list(cache_folder("uploads").iterdir())


def test_an_upload_that_points_at_other_files_reads_none_of_them(linear_file, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\1" * 1200)
    for location in (str(secret), f"../../../../../../{secret}", "own.onnx/../../x"):
        model = onnx.load_from_string(linear_file)
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location
        with pytest.raises(MrntkError, match="is not in the folder of the model"):
            own_from("mine.onnx", model.SerializeToString())


def test_sizes_are_checked_before_anything_is_written(monkeypatch, linear_file):
    monkeypatch.setattr(upload, "LARGEST", len(linear_file) - 1)
    with pytest.raises(MrntkError, match="give at most"):
        own_from("mine.onnx", linear_file)


def test_a_closed_explorer_lets_its_worker_go():
    explorer = ReprogrammingExplorer(SMALL)
    explorer.close()
    with pytest.raises(RuntimeError):
        explorer._worker.submit(print)


def test_a_page_that_is_only_read_has_the_picture_and_the_sentence():
    explorer = ReprogrammingExplorer(SMALL)
    data, metadata = explorer._repr_mimebundle_()
    assert data["image/png"] and data["text/plain"] == explorer.said
    assert metadata["image/png"]["alt"].startswith("Upper row")


def test_an_own_source_of_too_many_values_is_refused(monkeypatch, linear_file):
    from mrntk.widgets.reprogramming import networks

    monkeypatch.setattr(networks, "LARGEST_INPUT", 24)
    with pytest.raises(MrntkError, match=r"has 25 values; give a source of at most 24"):
        own_from("mine.onnx", linear_file)


def test_what_is_pinned_is_not_drawn_again(monkeypatch):
    explorer, drawn = ReprogrammingExplorer(SMALL), []
    explorer.pin()
    draw = ReprogrammingView.draw
    monkeypatch.setattr(ReprogrammingView, "draw", lambda self, data: drawn.append(data) or draw(self, data))
    explorer.set(depth=1)
    assert len(drawn) == 1 and explorer.output.value.count("<img ") == 2
