"""The picture with which a notebook opens: the one of its own pictures that shows its answer."""

import base64

import nbformat
from IPython.display import Markdown

from mrntk.support.style import Picture
from notebooks.course.notebooks import find, main_picture


def opening(name: str) -> Picture | Markdown:
    """The main picture of a notebook, from its committed run: opening("07").

    The cell that draws it carries the tag `main-picture`; the committed run shows here what that cell drew.
    """
    executed = find(name).with_suffix(".ipynb")
    output = main_picture(nbformat.read(executed, as_version=4)) if executed.exists() else None
    if output is None:
        return Markdown("*(This picture is drawn further below; it stands here once the notebook has been run.)*")
    return Picture(base64.b64decode(output["data"]["image/png"]), output["metadata"]["image/png"]["alt"])
