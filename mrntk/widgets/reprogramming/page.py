"""The explorer's answer as HTML: pictures beside each other, the sentence, the table of numbers."""

import base64
import html

from ..explorer import NAME_HANDLES
from .analysis import Analysis
from .words import numbers


def page(columns: dict[str, tuple[Analysis, bytes, str]], said: str) -> str:
    """One column for every setting that is shown, by its heading: (what the kernel says, picture as PNG, its description)."""
    captions = columns if len(columns) > 1 else [""]
    figures = [_figure(*part[1:], name) for part, name in zip(columns.values(), captions, strict=True)]
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:1em">{"".join(figures)}</div>'
        f'<p aria-live="polite" style="max-width:46em;line-height:1.4">{html.escape(said)}</p>'
        + _table({name: numbers(found) for name, (found, *_) in columns.items()})
    )


def _figure(picture: bytes, alt: str, name: str) -> str:
    source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    caption = f"<figcaption>{name}</figcaption>" if name else ""
    return (
        f'<figure style="margin:0;flex:1 1 20em;max-width:44em"><img alt="{html.escape(alt, quote=True)}" src="{source}" '
        f'onload="{NAME_HANDLES}" style="max-width:100%">{caption}</figure>'
    )


def _table(columns: dict[str, dict[str, str]]) -> str:
    first = next(iter(columns.values()))
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:normal">{name}</th>'
        + "".join(f'<td style="padding-left:1em">{column[name]}</td>' for column in columns.values())
        + "</tr>"
        for name in first
    )
    head = "".join(f'<th scope="col" style="padding-left:1em">{name}</th>' for name in columns)
    return f'<table><thead><tr><th scope="col">number</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
