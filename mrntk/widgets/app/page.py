"""What a visitor's kernel shows: the explorer at the setting that the page's address names."""

import html
import os

from IPython.display import HTML, display

from ...support.compiled import keep_compiled
from ...support.errors import MrntkError
from ..reprogramming import ReprogrammingExplorer


def explorer(query: str = "") -> tuple[ReprogrammingExplorer, str]:
    """The explorer at the setting of an address's query, and what was wrong with it: "" if nothing was.

    A query that names no setting gives the default.
    """
    try:
        return ReprogrammingExplorer(query, uploads=True), ""
    except MrntkError as error:
        return ReprogrammingExplorer(uploads=True), str(error)


def show():
    """Show it, and keep what is compiled; called by page.ipynb, where Voila keeps the query of the address in the environment."""
    keep_compiled()
    shown, problem = explorer(os.environ.get("QUERY_STRING", ""))
    if problem:
        words = f"The setting in this page's address cannot be shown, so this is the default one. {problem}"
        display(HTML(f'<p role="alert">{html.escape(words)}</p>'))
    display(shown)
