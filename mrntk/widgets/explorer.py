"""The one face of all view models: labelled controls, the picture, and a sentence, by ipywidgets."""

import asyncio
import base64
import html
import threading
from functools import cache

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.ticker import LogFormatter, LogLocator, NullLocator
from threadpoolctl import ThreadpoolController

from ..support.errors import MrntkError
from ..support.style import png, style
from .view import Choice, Toggle, ViewModel

PAUSE = 0.04  # seconds without a further change before anything is computed: of a dragged slider the last value wins
# JupyterLab hands changes to a thread of their own, beside the one that runs cells; pyplot and the style belong to all.
ONE_AT_A_TIME = threading.RLock()
# ipywidgets gives a slider's handle no name; the picture, once loaded, hands it that of the label.
NAME_HANDLES = (
    "for (const slider of this.closest('.widget-vbox')?.querySelectorAll('.widget-slider') ?? []) "
    "for (const part of slider.querySelectorAll('.noUi-handle, .widget-readout')) "
    "part.setAttribute('aria-label', slider.querySelector('label').textContent)"
)


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread():
    """Inside this context linear algebra runs on one thread.

    For some hundred rows that is quicker, above all on cores that others use as well, where threads wait for each other.
    """
    return _pools().limit(limits=1)


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_layouts: dict[tuple, list] = {}  # of a view's figures: where their axes lie


def picture_of(view: ViewModel, data) -> bytes:
    """The picture of these data as a PNG file.

    To lay a figure out takes longer than to draw it, so the layout of the last one of this view is taken, unless words would be
    cut off or lie over each other.
    """
    if (finished := view.picture(data)) is not None:
        return finished
    with style():
        figure = view.draw(data)
        try:
            return _quickly_laid_out(type(view), figure)
        finally:
            plt.close(figure)


def _power(value: float, _) -> str:
    """A power of ten as plain text, which is drawn ten times faster than a formula."""
    exponent = round(np.log10(value))
    if not np.isclose(value, 10.0**exponent):
        return ""
    return f"{value:g}" if -3 < exponent < 4 else "10" + str(exponent).translate(SUPERSCRIPTS)


def _few_ticks(axis: Axis):
    """Of an axis of several powers of ten: each of some powers alone, in plain text."""
    low, high = sorted(axis.get_view_interval())
    if axis.get_scale() == "log" and high > 100 * low and isinstance(axis.get_major_formatter(), LogFormatter):
        axis.set_minor_locator(NullLocator())
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_major_formatter(_power)


def _quickly_laid_out(kind: type, figure: Figure) -> bytes:
    for axes in figure.axes:
        _few_ticks(axes.xaxis)
        _few_ticks(axes.yaxis)
    engine = figure.get_layout_engine()
    if engine is None or isinstance(engine, PlaceHolderLayoutEngine):  # laid out by hand
        return png(figure)
    key = (kind, *figure.get_size_inches(), len(figure.axes))
    if key in _layouts:
        figure.set_layout_engine("none")
        for axes, place in zip(figure.axes, _layouts[key], strict=True):
            axes.set_position(place)
        picture = png(figure)
        if not _collides(figure):
            return picture
        figure.set_layout_engine(engine)
    picture = png(figure)
    _layouts[key] = [axes.get_position() for axes in figure.axes]
    return picture


def _collides(figure: Figure) -> bool:
    """Whether the label of an axis, whose place was found when it was drawn, is cut off or lies on other axes."""
    for axes in figure.axes:
        for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
            box = label.get_window_extent() if label.get_text() else None
            if box is None:
                continue
            if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.x1 or box.y1 > figure.bbox.y1:
                return True
            if any(other.bbox.overlaps(box) and not other.bbox.overlaps(axes.bbox) for other in figure.axes):
                return True
    return False


def static_picture(live: dict | None, picture: bytes, said: str, alt: str) -> tuple[dict, dict]:
    """A widget's MIME bundle with the picture and the sentence for pages that are only read, and the picture's description."""
    data = dict(live or {}) | {"text/plain": said}
    if not picture:
        return data, {}
    return data | {"image/png": base64.b64encode(picture).decode()}, {"image/png": {"alt": f"{alt} {said}"}}


def control_face(control) -> ipywidgets.Widget:
    """The ipywidget of one control."""
    wide = {"description": control.label, "style": {"description_width": "15em"}, "layout": {"width": "min(40em, 98%)"}}
    if isinstance(control, Toggle):
        return ipywidgets.Checkbox(value=control.start, indent=True, **wide)
    if isinstance(control, Choice):
        options = list(control.options.items()) if isinstance(control.options, dict) else list(control.options)
        return ipywidgets.Dropdown(options=options, value=control.start, **wide)
    numbers = {"value": control.start, "min": control.low, "max": control.high, "step": control.step}
    wide["tooltip"] = control.label  # without one, ipywidgets shows the word "null"
    if control.log:
        return ipywidgets.FloatLogSlider(base=10, readout_format=".3g", **numbers, **wide)
    whole = all(isinstance(number, int) for number in (control.low, control.high, control.step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(**numbers, **({} if whole else {"readout_format": ".3g"}), **wide)


class Explorer(ipywidgets.VBox):
    """A view model on the screen. `data` is what is shown at the moment, None beside a mistake; `set` moves controls from code.

    In a running notebook it is live. In a page that is only read its picture and sentence stand in its place.
    """

    def __init__(self, view: ViewModel, **changes):
        self.view, self.data, self.picture, self._waiting = view, None, b"", None
        self.said, self.alt = "", view.alt
        values = view.values(**changes)
        self.faces = {name: control_face(control) for name, control in view.controls.items()}
        for name, face in self.faces.items():
            face.value = values[name]
            face.observe(self._changed, "value")
        self.shown = ipywidgets.HTML()
        title = ipywidgets.HTML(f"<b>{html.escape(view.title)}</b>")
        super().__init__([title, *self.faces.values(), self.shown])
        self.update()

    def set(self, **changes):
        """Move controls, as a reader would."""
        self.view.values(**changes)
        for name, value in changes.items():
            self.faces[name].value = value

    def _changed(self, _):
        """Compute after a short pause without another change; at once where no event loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.update()
            return
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = loop.call_later(PAUSE, self.update)

    def update(self):
        """Compute, draw and show what belongs to the controls' present values; a mistake is said in the picture's place.

        The values are read and their picture is shown under one lock, so nothing older is ever shown after something newer.
        """
        with ONE_AT_A_TIME, one_thread():
            try:
                data = self.view.compute(**{name: face.value for name, face in self.faces.items()})
                picture = picture_of(self.view, data)
                said, alt = self.view.words(data), self.view.description(data)
            except MrntkError as error:
                self._show_mistake(str(error))
            except Exception as error:  # a mistake of ours: the last picture must not stay beside controls that left it
                self._show_mistake(f"This went wrong: {type(error).__name__}: {error}")
                raise
            else:
                self.data, self.picture, self.said, self.alt = data, picture, said, alt
                self._show_picture()

    def _show_mistake(self, words: str):
        self.data, self.picture, self.said, self.alt = None, b"", words, self.view.alt
        self.shown.value = f'<p role="alert">{html.escape(words)}</p>'

    def _show_picture(self):
        source = f"data:image/png;base64,{base64.b64encode(self.picture).decode()}"
        alt, words = html.escape(self.alt, quote=True), html.escape(self.said)
        self.shown.value = (
            f'<figure style="margin:0"><img alt="{alt}" src="{source}" style="max-width:100%" onload="{NAME_HANDLES}">'
            f'<figcaption aria-live="polite" style="max-width:46em;line-height:1.4">{words}</figcaption></figure>'
        )

    def _repr_mimebundle_(self, **kwargs):
        """The live widget, and for pages that are only read the picture with its description."""
        return static_picture(super()._repr_mimebundle_(**kwargs), self.picture, self.said, self.alt)
