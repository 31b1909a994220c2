"""Changing a figure's parameters from outside: `--set depth=1:9 --set task=fashion`."""

import difflib
from collections.abc import Mapping, Sequence

from mrntk.support.errors import MrntkError


def _number(text: str):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _elements(text: str) -> tuple:
    """`a:b` is every whole number from a to b, b included; commas separate; numbers are numbers, all else is text."""
    found = []
    for part in text.split(","):
        ends = [_number(end) for end in part.split(":")]
        if len(ends) == 2 and all(isinstance(end, int) for end in ends):
            found += range(ends[0], ends[1] + 1)
        else:
            found.append(_number(part.strip()))
    return tuple(found)


def _kind(value) -> type:
    return float if isinstance(value, float) else type(value)


def _like(name: str, text: str, default):
    """The text as a value of the default's type: one value, or several where the default is a tuple."""
    several = isinstance(default, tuple)
    values = _elements(text)
    kind = _kind(default[0]) if several and default else _kind(default)
    if kind is float:
        values = tuple(float(value) if isinstance(value, int) else value for value in values)
    if kind is bool or not values or (len(values) != 1 and not several) or any(_kind(v) is not kind for v in values):
        words = {int: "whole number", float: "number", str: "name"}.get(kind, "value")
        many = f"one or more {words}s, such as " if several else f"one {words}, such as "
        shown = ",".join(map(str, default)) if several else default
        raise MrntkError(f"--set {name}={text}: give {many}{name}={shown}.")
    return values if several else values[0]


def changed(parameters: Mapping, settings: Sequence[str]) -> dict:
    """`parameters` with each `name=value` of `settings` in place; values take the type of what they replace.

    Raises
    ------
    MrntkError
        For a setting without `=`, an unknown name (the nearest are named), or a value of another type.
    """
    out = dict(parameters)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise MrntkError(f"--set {setting}: write it as NAME=VALUE, for example depth=1:9.")
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=3, cutoff=0.5)
            has = "did you mean " + " or ".join(near) + "?" if near else "it has " + ", ".join(parameters) + "."
            raise MrntkError(f"--set {setting}: the figure has no parameter {name!r}; {has}")
        out[name] = _like(name, text, parameters[name])
    return out
