"""What the page is told of a setting, as values that JSON knows."""

import base64
import io
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from jaxtyping import Float
from PIL import Image

from ..model.input_maps import InputMap
from ..ntk.plain import DELTA, LAYER, apply_input_map, parts, trained_places
from ..support.style import OKABE_ITO
from ..widgets.reprogramming.analysis import STEPS, Analysis
from ..widgets.reprogramming.live import WatchedTraining
from ..widgets.reprogramming.words import facts, finding, headline, numbers, outcome
from ..widgets.view import displayed

TILES = 5  # a side: rows of W that are shown
ORANGE = np.array([int(OKABE_ITO[1][i : i + 2], 16) for i in (1, 3, 5)])
DIM = 0.45  # of the image beside what is trained


def answer(found: Analysis) -> dict:
    """What the kernel says: sentences, numbers, curves and pictures."""
    values, setting = found.spectrum.values[::-1], found.setting
    return {
        "setting": asdict(setting),
        "query": setting.query(),
        "headline": headline(found),
        "finding": finding(found),
        "numbers": numbers(found),
        "facts": _plain(facts(found)._asdict()),
        "spectrum": {"values": _short(values[: found.spectrum.rank]), "shares": _short(np.cumsum(found.weights))},
        "losses": _short(found.losses),
        "steps": STEPS,
        "pictures": list(_pictures(found, found.before.model.input_map, "before training")),
        "example": _guess(found, found.before.outputs),
    }


def progress(run: WatchedTraining, analysis: Analysis, known: int) -> dict:
    """What real training gave since `known` losses were told."""
    ended = {}
    if run.done and not run.diverged:
        pictures = list(_pictures(analysis, run.input_map, "after training"))
        ended = {"pictures": pictures, "example": _guess(analysis, run.outputs)}
    return ended | {
        "losses": _short(np.asarray(run.losses[known:])),
        "outcome": outcome(analysis, run),
    }


def _plain(values: dict) -> dict:
    """Those that JSON knows; None for a number that is none."""
    kept = {name: value for name, value in values.items() if name not in ("setting", "mapping")}
    return {name: value if isinstance(value, str) or np.isfinite(value) else None for name, value in kept.items()}


def _short(values) -> list[float | None]:
    """Four digits of each; None for what JSON has no number for."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _example(found: Analysis) -> int:
    """The number of the example that is shown: the one in which there is most to see."""
    return int(found.start.data.x.reshape(len(found.start.data.x), -1).std(1).argmax())


def _guess(found: Analysis, outputs: Float[np.ndarray, "N c"]) -> dict:
    """What the model says of the shown example, what it is, and how many examples are right in all."""
    one, data = _example(found), found.start.data
    guess = data.classes[int(outputs[one].argmax())] if np.isfinite(outputs[one]).all() else "nothing"
    right = int((outputs.argmax(1) == data.labels).sum())
    return {"is": data.classes[data.labels[one]], "guess": guess, "right": right, "all": len(outputs)}


def _pictures(found: Analysis, a: InputMap, when: str) -> Iterator[dict]:
    """x, what is trained, and a(x): each an image as a PNG file's content, or a series."""
    data, one = found.start.data, _example(found)
    x, name = data.x[one], data.classes[data.labels[one]]
    z = apply_input_map(a, found.before.x[one : one + 1])[0]
    count = f"{found.parameters:,}"
    yield {"title": f"example of class {name}", "alt": f"A target example of the class {name}."} | _shown(x)
    framed = (trained_places(a, z.shape) == DELTA).any()
    words = "the trained frame, orange" if framed else "the trained weights"
    yield {"title": f"trained: {count} numbers", "alt": f"What is trained: {count} numbers, {words}."} | _trained(
        found, a, z
    )
    yield {
        "title": f"seen {when}",
        "alt": f"The example as the frozen network sees it {when}.",
    } | _shown(z)


def _shown(values: Float[np.ndarray, "*dS"]) -> dict:
    return {"series": _short(values[0])} if values.ndim == 2 else {"image": _png(_grey(values))}


def _grey(image: Float[np.ndarray, "C height width"]) -> Float[np.ndarray, "height width 3"]:
    """With three colours, each from 0 to 1."""
    shown = displayed(image)
    return np.repeat(shown[..., None], 3, -1) if shown.ndim == 2 else shown[..., :3]


def _trained(found: Analysis, a: InputMap, z: np.ndarray) -> dict:
    """The frame in orange over what the network sees; without a frame, rows of W, each the weights of one value of a(x)."""
    places = trained_places(a, z.shape)
    if z.ndim == 2:
        return {"series": _short(z[0]), "trained": [int(place) for place in places[0]]}
    if (places == DELTA).any():
        on = (places == DELTA).any(0)[..., None]
        return {"image": _png(DIM * _grey(z) * ~on + (DIM / 2 * _grey(z) + (1 - DIM / 2) * ORANGE / 255) * on)}
    return (
        {"image": _png(_rows_of_weights(parts(a)[0].weight, found.start.data.x.shape[1:]))}
        if (places == LAYER).any()
        else {}
    )


def _rows_of_weights(
    weight: Float[np.ndarray, "dS dT"], target_shape: tuple[int, ...]
) -> Float[np.ndarray, "height width 3"]:
    """TILES x TILES rows of W beside each other, each as an image of the target's shape: grey is 0."""
    rows = np.asarray(weight)[np.linspace(0, len(weight) - 1, TILES**2).astype(int)]
    if len(target_shape) != 3:  # of a series: the rows under each other
        tiles = rows
    else:
        images = rows.reshape(TILES, TILES, *target_shape).mean(2)  # (down, right, height, width)
        images = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
        tiles = images.transpose(0, 2, 1, 3).reshape(TILES * images.shape[2], -1)[:-1, :-1]
    grey = np.clip(0.5 + tiles / (6 * np.asarray(weight).std()), 0, 1)
    return np.repeat(grey[..., None], 3, -1)


def _png(shown: Float[np.ndarray, "height width 3"]) -> str:
    """Base64 of a PNG file."""
    content = io.BytesIO()
    Image.fromarray((255 * np.clip(shown, 0, 1)).astype(np.uint8)).save(content, "PNG", compress_level=1)
    return base64.b64encode(content.getvalue()).decode()
