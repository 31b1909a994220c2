"""The page as a browser gets it: one HTML file with its first answer in it, and the scripts and the style beside it."""

import json
from dataclasses import asdict
from importlib import resources

from ..model.input_maps import INPUT_MAPS
from ..widgets.reprogramming.setting import CONTROLS, IMAGES, SERIES, SMALL, SOURCES, Setting
from ..widgets.reprogramming.upload import LARGEST
from ..widgets.view import Choice
from .help import HELP, LABELS
from .stories import told

# Nothing comes from elsewhere, nothing runs that is not a file of ours, and no other page shows this one in a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
FOLDER = resources.files(__package__) / "static"
FILES = {
    file.name: (kind, file.read_bytes())
    for file in FOLDER.iterdir()
    for end, kind in KINDS.items()
    if file.name.endswith(end)
}
HTML = (FOLDER / "page.html").read_text(encoding="utf-8")
MAIN = ("source", "task", "input_map", "frame")  # the others are folded away
SERIES_SOURCES = ("crepe-tiny",)


def _control(name: str) -> dict:
    control = CONTROLS[name]
    shared = {
        "name": name,
        "label": LABELS.get(name, control.label),
        "help": HELP[name],
        "start": control.start,
        "main": name in MAIN,
    }
    if isinstance(control, Choice):
        options = control.options if isinstance(control.options, dict) else {str(one): one for one in control.options}
        return shared | {"options": list(options.items())}
    return shared | {"low": control.low, "high": control.high, "step": control.step}


def known_to_the_page() -> dict:
    """What does not depend on the visitor: controls, stories, and what fits what."""
    return {
        "controls": [_control(name) for name in CONTROLS],
        "stories": told(),
        "small": list(SMALL),
        "prompts": [name for name, kind in INPUT_MAPS.items() if kind.has_prompt],
        "kinds": {name: "series" if name in SERIES_SOURCES else "images" for name in SOURCES.values()},
        "tasks": {name: "images" for name in IMAGES.values()} | {name: "series" for name in SERIES.values()},
        "largest": LARGEST,
    }


def page(setting: Setting, answer: dict | None, problem: str = "") -> str:
    """The page at a setting, with its answer if it is known, and what was wrong with the address."""
    data = {"known": known_to_the_page(), "setting": asdict(setting), "answer": answer, "problem": problem}
    return HTML.replace("{data}", json.dumps(data, allow_nan=False).replace("<", "\\u003c"))
