"""What the explorer shows, as a small value that can be handed out as JSON or as a link."""

import json
from dataclasses import asdict, dataclass, fields
from urllib.parse import parse_qsl, urlencode, urlsplit

from ...model.input_maps import INPUT_MAPS
from ...support.errors import MrntkError
from ..view import Choice, Slider, input_map_choice

SMALL = ("random", "trained")  # sources that are made here, at a depth
OWN = "own"  # the source from the reader's own file; known only once that has been given
SOURCES = {
    "random network": "random",
    "network trained on MNIST": "trained",
    "EfficientNet-Lite0": "efficientnet-lite0",
    "EfficientNet-Lite0, untrained": "efficientnet-lite0-untrained",
    "EfficientNet-Lite1": "efficientnet-lite1",
    "EfficientNet-Lite2": "efficientnet-lite2",
    "CREPE (sound)": "crepe-tiny",
}
IMAGES = {"8x8 digits": "digits", "MNIST": "mnist5k", "Fashion-MNIST": "fashion5k", "photographs": "photos"}
SERIES = {"GunPoint": "gunpoint", "ItalyPowerDemand": "italypower", "ArrowHead": "arrowhead", "Trace": "trace"}
MASKS = {
    "the whole frame": "frame",
    "every second place of it": "alternate",
    "left and right of it": "sides",
    "the whole input": "all",
}
MAPPINGS = {"first classes": "first", "random": "random", "by frequency": "frequency", "Bayesian": "bayesian"}
LOSSES = {"squared": "mse", "cross-entropy": "ce"}

CONTROLS = {
    "source": Choice("source", SOURCES, "trained"),
    "depth": Slider("its depth", 1, 6, 3),
    "task": Choice("task", IMAGES | SERIES, "digits"),
    "examples": Slider("examples N", 4, 40, 20),
    "input_map": input_map_choice("input map a", ("vp", "fc", "vp_fc", "watermark"), "vp"),
    "frame": Slider("frame, share of the side", 0.05, 0.45, 0.15, 0.05),
    "mask": Choice("trained part of the prompt", MASKS, "frame"),
    "mapping": Choice("output mapping b", MAPPINGS, "first"),
    "loss": Choice("loss", LOSSES, "mse"),
    "fraction": Slider("step size, share of the limit", 0.05, 1.2, 0.5, 0.05),
    "seed": Slider("seed", 0, 9, 0),
}


@dataclass(frozen=True)
class Setting:
    """One state of the explorer; the fields are the names of `CONTROLS`."""

    source: str = CONTROLS["source"].start
    depth: int = CONTROLS["depth"].start
    task: str = CONTROLS["task"].start
    examples: int = CONTROLS["examples"].start
    input_map: str = CONTROLS["input_map"].start
    frame: float = CONTROLS["frame"].start
    mask: str = CONTROLS["mask"].start
    mapping: str = CONTROLS["mapping"].start
    loss: str = CONTROLS["loss"].start
    fraction: float = CONTROLS["fraction"].start
    seed: int = CONTROLS["seed"].start

    def __post_init__(self):
        _check(asdict(self))

    def matters(self, name: str) -> bool:
        """Does anything depend on this control, as the others stand?"""
        if name == "depth":
            return self.source in SMALL
        return INPUT_MAPS[self.input_map].has_prompt if name in ("frame", "mask") else True

    def json(self) -> str:
        """As JSON, one line."""
        return json.dumps(asdict(self))

    def query(self) -> str:
        """As the query of a link, without "?"; what stands at its default is left out."""
        default = asdict(Setting())
        return urlencode({name: value for name, value in asdict(self).items() if value != default[name]})


def _check(values: dict):
    """Refuse values that a control cannot have."""
    for name, value in values.items():
        control = CONTROLS[name]
        problem = None if name == "source" and value == OWN else control.problem(value)
        whole = isinstance(control, Slider) and isinstance(control.step, int)
        if isinstance(value, bool) or (whole and not problem and not isinstance(value, int)):
            problem = "give a whole number"
        if problem:
            raise MrntkError(f"{name}={value!r}: {problem}.")


def read_setting(text: "str | dict | Setting | None") -> Setting:
    """A setting from JSON, a link, a link's query, a dictionary, or nothing (the default).

    Raises
    ------
    MrntkError
        For text that is none of these, an unknown name or a value that it cannot have.
    """
    if isinstance(text, Setting):
        return text
    values = _values(text or {})
    known = [field.name for field in fields(Setting)]
    for name in values:
        if name not in known:
            raise MrntkError(f"{name!r} is unknown in a setting: choose from {', '.join(known)}.")
    values = {name: _number(name, value) for name, value in values.items()}
    _check(values)
    return Setting(**values)


def _values(text: str | dict) -> dict:
    if isinstance(text, dict):
        return text
    text = text.strip()
    if text.startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise MrntkError(f"setting: not JSON ({error}): copy the whole line from the explorer.") from None
    query = urlsplit(text).query if "?" in text else text
    pairs = parse_qsl(query, keep_blank_values=True)
    if query and "=" not in query:
        raise MrntkError(f"setting={text[:60]!r}: give JSON, or a link such as ?source=trained&depth=3.")
    return dict(pairs)


def _number(name: str, value):
    """Text from a link as the number that its control wants; anything else as it is."""
    if not isinstance(value, str) or not isinstance(CONTROLS[name], Slider):
        return value
    try:
        return int(value) if isinstance(CONTROLS[name].step, int) else float(value)
    except ValueError:
        raise MrntkError(f"{name}={value!r}: {CONTROLS[name].problem(value)}.") from None
