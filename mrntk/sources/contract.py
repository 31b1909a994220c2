"""What sources that check their input have in common."""

from ..support.errors import MrntkError


def check_input(source, s):
    """Raise unless s has the shape that the source takes.

    Raises
    ------
    MrntkError
        Naming both shapes.
    """
    if s.shape != source.input_shape:
        raise MrntkError(f"s has shape {s.shape}: source {source.name} takes ONE input of shape {source.input_shape}.")
