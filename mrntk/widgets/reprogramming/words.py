"""The explorer's sentences: what the kernel says, what training gave, what changed from one setting to the next and why."""

from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from ...model.input_maps import INPUT_MAPS
from ..view import Choice
from .analysis import STEPS, Analysis
from .live import WatchedTraining
from .setting import CONTROLS, OWN, Setting

WHY = {  # by which way a control reaches Theta_T = b J_S Theta_A J_S^T b^T
    "source": "another source has other input gradients J_S, and the kernel is made of them",
    "depth": "a source of another depth has other input gradients J_S, and the kernel is made of them",
    "task": "other inputs and labels: J_S is taken elsewhere, and other directions are wanted",
    "input_map": "what is trained is another Theta_A, and the source sees another a(x)",
    "mask": "other places are trained, and only they add to the kernel; the source also sees them turn from black to grey",
    "mapping": "the output mapping b combines the source's outputs in another way, on both sides of the kernel",
    "seed": "other examples, and another random start of whatever is random",
}


class Facts(NamedTuple):
    """The numbers of an answer: what can be compared with those of another, and put into sentences."""

    setting: Setting
    mapping: tuple  # the output mapping, as a value that can be compared
    network: str
    largest: float
    smallest: float
    rank: int
    outputs: int  # N c
    classes: int
    alignment: float
    parameters: int
    start: float  # loss before training
    loss: float  # predicted after the last step
    accuracy: float


def facts(found: Analysis) -> Facts:
    """The numbers of an answer."""
    return Facts(
        setting=found.setting,
        mapping=tuple(found.before.model.output_map.matrix.ravel().tolist()),
        network=found.start.network.words,
        largest=found.spectrum.max,
        smallest=found.before.lambda_min,
        rank=found.spectrum.rank,
        outputs=len(found.spectrum.values),
        classes=found.start.data.y.shape[1],
        alignment=found.before.alignment,
        parameters=found.parameters,
        start=float(found.losses[0]),
        loss=float(np.nan_to_num(found.losses[-1], nan=np.inf)),
        accuracy=found.accuracy,
    )


def headline(found: Analysis) -> str:
    """The answer in one plain sentence, for somebody who has never heard of a kernel."""
    setting, rank, n = found.setting, found.spectrum.rank, len(found.spectrum.values)
    kind = INPUT_MAPS[setting.input_map]
    what = "frame" if kind.has_prompt and not kind.has_layer else kind.words.removeprefix("a ")
    if setting.fraction > 1 and setting.loss == "mse":
        return (
            f"The steps are too large for this {what}: by the prediction, mistakes grow without end. Train it to check."
        )
    taught = f"all {n}" if rank == n else f"at most {rank} of {n}"
    return (
        f"This {what} can teach the network {taught} answers; expect {found.accuracy:.0%} of its {setting.examples} examples "
        "right. Train it to check."
    )


def label_of(name: str, value) -> str:
    """A control's value as the reader sees it."""
    control = CONTROLS[name]
    if isinstance(control, Choice) and isinstance(control.options, dict):
        return next((label for label, one in control.options.items() if one == value), "your file")
    return f"{value:g}"


def number(value: float | int) -> str:
    """Three digits; thousands in full."""
    if not np.isfinite(value):
        return "infinite"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def capacity_words(found: Analysis) -> str:
    n, rank = len(found.spectrum.values), found.spectrum.rank
    if rank == n:
        return f"{found.parameters:,} numbers are trained, enough for N c = {n}, and the kernel has full rank. "
    outside = f"{n - rank} of N c = {n} directions cannot be learned to first order. "
    if found.parameters < n and rank == found.parameters:
        return f"Only {found.parameters:,} numbers are trained, and the rank reaches them all: by the capacity law, {outside}"
    if found.parameters < n:
        return (
            f"Only {found.parameters:,} numbers are trained, so by the capacity law the rank is at most that; it is {rank}, as "
            f"the source's gradients span no more: {outside}"
        )
    return (
        f"{found.parameters:,} numbers are trained, enough for N c = {n}, but the rank is {rank}, as the source's gradients span "
        f"no more: {outside}"
    )


def finding(found: Analysis) -> str:
    """What the kernel says of the setting."""
    setting, losses = found.setting, found.losses
    said = (
        f"{found.start.network.words}, {label_of('task', setting.task)}, N = {setting.examples}, "
        f"{INPUT_MAPS[setting.input_map].words}: "
        f"the largest eigenvalue is {number(found.spectrum.max)}, the smallest {number(found.before.lambda_min)}. "
    )
    said = _upper(said) + capacity_words(found)
    share = setting.fraction
    if share > 1 and setting.loss == "mse":
        return (
            said + "The step size is above the stability limit: the kernel of the start predicts that the loss grows."
        )
    above = " (above the limit for cross-entropy it need not fall)" if share > 1 else ""
    return said + (
        f"Predicted{above}: in {STEPS} steps the loss goes from {number(losses[0])} to {number(losses[-1])}, and "
        f"{found.accuracy:.0%} of the training examples are right."
    )


def outcome(found: Analysis, run: WatchedTraining) -> str:
    """What real training gave, beside what was predicted."""
    steps = len(run.losses) - 1
    if run.diverged:
        return f"Real training diverges by step {steps}."
    predicted, real = found.losses[steps], run.losses[-1]
    foretold = number(predicted) if predicted < 1e3 * run.losses[0] else "to grow without end"
    expected = f" (predicted {found.accuracy:.0%})" if steps == STEPS and np.isfinite(predicted) else ""
    said = (
        f"Real training after {steps} {'step' if steps == 1 else 'steps'}: loss {number(real)} (predicted {foretold}); "
        f"{run.accuracy:.0%} of the examples right{expected}, {run.test_accuracy:.0%} of new examples."
    )
    if not run.done or steps == 0 or not np.isfinite(predicted):
        return said
    gap, way = abs(real - predicted), run.losses[0] - predicted
    if way > 0 and gap > 0.25 * way:
        said += (
            " The predicted loss is off by more than a quarter of its fall. It assumes that the network reacts to every step as "
            "to the first; here the reaction changed on the way (the kernel moved, the training was not lazy)."
        )
    return said


def changed_controls(before: Setting, after: Setting) -> list[str]:
    old, new = asdict(before), asdict(after)
    return [name for name in old if old[name] != new[name]]


def _only_rows_added(before: Facts, after: Facts) -> bool:
    """Is the smaller kernel a block of the larger one? The examples are nested; all else that makes the kernel must be equal."""
    changed = set(changed_controls(before.setting, after.setting))
    return changed <= {"examples", "fraction", "loss"} and before.mapping == after.mapping


def _why(name: str, before: Facts, after: Facts) -> str:
    one, two = before.setting, after.setting
    if name == "examples":
        if not _only_rows_added(before, after):
            return "other examples, and with them other rows of the kernel"
        less, more = ("cannot fall", "cannot rise") if two.examples > one.examples else ("cannot rise", "cannot fall")
        block = "the smaller kernel is a block of the larger one, and eigenvalues interlace"
        return f"{block}: the largest {less}, the smallest {more}"
    if not two.matters(name) and not one.matters(name):
        return f"nothing depends on {CONTROLS[name].label} here"
    if name == "frame":
        wider = (
            "wider frame has more trained places"
            if two.frame > one.frame
            else "narrower frame has fewer trained places"
        )
        image = "smaller" if two.frame > one.frame else "larger"
        return f"a {wider}, and the input inside is {image}, so the source's gradients change too"
    if name == "seed" and two.source == OWN:
        return "other examples; your source stays"
    if name == "loss":
        return (
            "the kernel does not know the loss; what drives it does: f - y for the squared loss, softmax(f) - y for "
            "cross-entropy, whose limit for the step size is twice as high"
        )
    if name == "fraction":
        return "the kernel does not know the step size: every mode just shrinks faster or slower"
    return WHY[name]


def change(before: Facts, after: Facts) -> str:
    """What changed, and why; empty if nothing did."""
    names = changed_controls(before.setting, after.setting)
    if not names:
        return ""
    old, new = before.setting, after.setting
    moved = "; ".join(
        f"{CONTROLS[name].label}: {label_of(name, getattr(old, name))} → {label_of(name, getattr(new, name))}"
        for name in names
    )
    pairs = {
        "λ_max": (before.largest, after.largest),
        "λ_min": (before.smallest, after.smallest),
        "rank": (before.rank, after.rank),
        "alignment": (before.alignment, after.alignment),
        "predicted loss": (before.loss, after.loss),
    }
    shown = [
        f"{name} {number(one)} → {number(two)}"
        for name, (one, two) in pairs.items()
        if not np.isclose(one, two, rtol=5e-3, atol=0)
    ]
    reasons = ". ".join(_upper(_why(name, before, after)) for name in names)
    return f"Changed: {moved}. {reasons}. " + (
        "In numbers: " + ", ".join(shown) + "." if shown else "No number changed."
    )


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def numbers(found: Analysis) -> dict[str, str]:
    """The table of numbers."""
    n = len(found.spectrum.values)
    return {
        "largest eigenvalue λ_max": number(found.spectrum.max),
        "smallest eigenvalue λ_min": number(found.before.lambda_min),
        "condition λ_max / λ_min": number(found.condition),
        "rank, and its bound": f"{found.spectrum.rank} of {found.capacity} (N c = {n})",
        "alignment with the labels": number(found.before.alignment),
        "trained numbers": f"{found.parameters:,}",
        "step size": number(found.step),
        f"predicted loss after {STEPS} steps": number(found.losses[-1]),
        "predicted training accuracy": f"{found.accuracy:.0%}",
    }
