"""The reprogramming explorer: a setting in, its kernel's answer out; watched live, pinned, handed out as a link."""

from .face import ReprogrammingExplorer
from .setting import Setting, read_setting
from .view import ReprogrammingView

__all__ = ["ReprogrammingExplorer", "ReprogrammingView", "Setting", "read_setting"]
