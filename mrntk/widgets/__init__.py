"""Widgets: a view model that computes (plain Python, testable without a browser), and one face for all of them.

`Explorer(view)` in a notebook shows the controls of a view model, its picture and a sentence. A page that is only read shows
the picture of the starting values in its place.
"""

from .explorer import Explorer
from .view import Choice, Slider, Toggle, ViewModel

__all__ = ["Choice", "Explorer", "Slider", "Toggle", "ViewModel"]
