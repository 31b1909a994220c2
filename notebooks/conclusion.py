"""What a section found, said in one or two sentences that its own numbers must support."""

from IPython.display import Markdown

from mrntk.support.errors import MrntkError
from mrntk.support.scale import current_scale


def conclude(sentence: str, *truths: bool, head: str = "What we found.") -> Markdown:
    """Show the sentence, if everything that it says is true of the numbers at hand.

    Sentences are about the sizes of the course; at smoke scale, where nothing can be concluded, they are shown unchecked.

    Parameters
    ----------
    sentence : str
        What was found, and why, as Markdown. Its numbers come from the data.
    *truths : bool
        The statements in it, each a comparison of computed numbers; at least one.
    head : str
        The bold words in front of it; a question where the sentence answers a prediction.

    Raises
    ------
    MrntkError
        If a truth is none, or if there is none to check.
    """
    if not truths:
        raise MrntkError(f"{sentence!r} has nothing to be checked by: give the comparisons that make it true.")
    if current_scale() == "smoke":
        return Markdown(f"> **{head}** {sentence} *(Not checked: at smoke scale the numbers are too small.)*")
    for number, truth in enumerate(truths, start=1):
        if not truth:
            raise MrntkError(
                f"these numbers do not support statement {number} of {len(truths)} in: {sentence!r} "
                "If you changed something above, that is a finding; if not, the sentence has to be written anew."
            )
    return Markdown(f"> **{head}** {sentence}")
