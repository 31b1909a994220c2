"""The one exception that `mrntk` raises on purpose, and the words of those that it explains."""


class MrntkError(ValueError):
    """A mistake that the caller can mend; the message is one sentence that names the argument and the fix."""


def first_line(error: Exception) -> str:
    """What an error of another package says, on one line and without the final full stop; its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
