"""Which source for the task that is shown: the explorer's sources by their predicted accuracy on new examples."""

from dataclasses import replace

import numpy as np

from ..support.style import share_interval, t_interval
from ..widgets.reprogramming.setting import CONTROLS, IMAGES, OWN, SMALL, Setting
from ..widgets.reprogramming.words import label_of

STEPS = 500  # of the training whose end is forecast
EXAMPLES = CONTROLS["examples"].high  # to predict from: as many as there can be
OF_IMAGES = (
    *({"source": "trained", "depth": depth} for depth in range(CONTROLS["depth"].low, CONTROLS["depth"].high + 1)),
    {"source": "random", "depth": 3}, {"source": "efficientnet-lite0"}, {"source": "efficientnet-lite0-untrained"},
)  # fmt: skip
OF_SERIES = ({"source": "crepe-tiny"},)


def candidates(setting: Setting) -> list[Setting]:
    """Settings to be compared: this task and input map behind each source that suits them."""
    shared = replace(
        setting, examples=EXAMPLES, loss="ce", fraction=CONTROLS["fraction"].start, depth=CONTROLS["depth"].start
    )
    sources = OF_IMAGES if setting.task in IMAGES.values() else OF_SERIES
    own = [replace(shared, source=OWN)] if setting.source == OWN else []
    return own + [replace(shared, **source) for source in sources]


def row(shown: Setting, candidate: Setting, found: dict | None, problem: str) -> dict:
    """One row: what it is called, the setting that it opens, and the forecast, or why there is none."""
    source = label_of("source", candidate.source)
    deep = candidate.source in SMALL
    opened = replace(shown, source=candidate.source, depth=candidate.depth if deep else shown.depth)
    label = f"{source}, depth {candidate.depth}" if deep else source
    return {"label": label, "query": opened.query(), "found": found, "problem": problem}


def ranked(rows: list[dict], complete: bool) -> dict:
    """The rows, best first, with the ties of the first: those whose distance to it may be chance."""
    scored = sorted((one for one in rows if one["found"]), key=lambda one: -np.mean(one["found"]["right"]))
    told = []
    for one in scored:
        right, best = (np.array(other["found"]["right"]) for other in (one, scored[0]))
        behind = t_interval(best - right)[0]
        told.append(
            {"score": float(right.mean()), "interval": list(share_interval(right)), "tie": not behind > 0} | _named(one)
        )
    ties = sum(one["tie"] for one in told)
    words = f"{ties} of {len(told)} may be the best: so few examples do not tell them apart." if ties > 1 else ""
    guessing = 1 / scored[0]["found"]["classes"] if scored else 0
    if told and told[0]["interval"][0] <= guessing:
        words += f" None is clearly better than guessing, which gets {guessing:.0%} right."
    return {
        "rows": told + [_named(one) for one in rows if not one["found"]],
        "examples": len(scored[0]["found"]["right"]) if scored else 0,
        "steps": STEPS,
        "words": words.strip() if complete else "More are being computed.",
    }


def _named(one: dict) -> dict:
    return {name: one[name] for name in ("label", "query", "problem")}
