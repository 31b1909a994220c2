"""The widgets of the notebooks, a view model per module. Their frame and the explorer stand in the library: `mrntk.widgets`."""

from mrntk import widgets
from mrntk.widgets.view import ViewModel


def view_models() -> dict[str, type[ViewModel]]:
    """Every view model of the project by its name, in alphabetical order: those here, and the library's."""
    return dict(sorted((widgets.view_models(__name__) | widgets.view_models()).items()))
