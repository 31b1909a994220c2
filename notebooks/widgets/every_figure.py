"""The gallery, live: any figure of the project, drawn from its committed data, with the verdicts at any confidence."""

from dataclasses import replace
from functools import cache

from figures.claims import CONFIDENCE, Part, Verdict, judge, outcomes, verdict_of
from figures.claims.rules import CLAIMS
from figures.making.gallery import ORDER
from figures.making.registry import committed_data, figures_folder, get_figure
from mrntk.widgets.view import Choice, ViewModel

CONFIDENCES = {"80 %": 0.8, "95 %": 0.95, "99 %, as for all verdicts": CONFIDENCE, "99.9 %": 0.999}


@cache
def _figure(name: str):
    """(module, committed data) of a figure, read once."""
    return get_figure(name).module, committed_data(name)


@cache
def _judged(name: str) -> tuple[Verdict, ...]:
    """The verdicts on the claims that a figure bears on."""
    return tuple(judge(claim) for claim in CLAIMS if claim.figure == name)


class FiguresView(ViewModel):
    """A figure, what the paper says and what the data say, and the verdicts as they would be at another confidence."""

    title = "Every figure and every verdict"
    alt = "The chosen figure of the project."
    controls = {
        "figure": Choice("figure", {get_figure(name).module.TITLE: name for name in ORDER}, "depth_to_target"),
        "confidence": Choice("intervals of the verdicts", CONFIDENCES, CONFIDENCE),
    }

    def compute(self, *, figure: str, confidence: float) -> dict:
        def parts(verdict: Verdict) -> list[Part]:
            if confidence == CONFIDENCE:
                return list(verdict.parts)
            return [replace(part, confidence=confidence, fragile=()) for part in verdict.parts]

        found = [(one.claim.sentence, parts(one)) for one in _judged(figure)]
        return {"figure": figure, "claims": found, "confidence": confidence}

    def picture(self, data) -> bytes | None:
        """The committed picture, which is drawn from the committed data."""
        path = figures_folder() / "rendered" / "course" / f"{data['figure']}.png"
        return path.read_bytes() if path.exists() else None

    def draw(self, data):
        module, rows = _figure(data["figure"])
        return module.render(rows)

    def description(self, data) -> str:
        return _figure(data["figure"])[0].ALT

    def words(self, data) -> str:
        module, rows = _figure(data["figure"])
        said = [f"In the paper: {module.PAPER}. {module.SAYS} We find: {module.finds(rows)}"]
        for sentence, parts in data["claims"]:
            said.append(
                f"{sentence}: {verdict_of(parts)} at {100 * data['confidence']:g} % (parts: {outcomes(parts)})."
            )
        return " ".join(said)
