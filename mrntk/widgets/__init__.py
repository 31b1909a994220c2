"""Widgets: a view model that computes (plain Python, testable without a browser), and one face for all of them.

`Explorer(view)` in a notebook shows the controls of a view model, its picture and a sentence. A page that is only read shows
the picture of the starting values in its place.
"""

import importlib
import pkgutil

from .explorer import Explorer
from .view import Choice, Slider, Toggle, ViewModel

__all__ = ["Choice", "Explorer", "Slider", "Toggle", "ViewModel", "view_models"]


def view_models(package: str = __name__) -> dict[str, type[ViewModel]]:
    """Every view model of a package by its name, in alphabetical order; imports all its modules."""
    found = {}
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        for name, one in vars(importlib.import_module(module.name)).items():
            if isinstance(one, type) and issubclass(one, ViewModel) and one.__module__ == module.name:
                found[name] = one
    found.pop("ViewModel", None)
    return dict(sorted(found.items()))
