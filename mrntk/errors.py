"""The one exception that `mrntk` raises on purpose."""


class MrntkError(ValueError):
    """A mistake that the caller can mend; the message is one sentence that names the argument and the fix."""
