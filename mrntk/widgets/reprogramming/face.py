"""The reprogramming explorer on the screen: controls, picture, numbers, real training, a pinned setting, a link."""

import asyncio
import html
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import ipywidgets

from ...support.errors import MrntkError
from ..explorer import ONE_AT_A_TIME, PAUSE, control_face, picture_of, static_picture
from .live import WatchedTraining, train
from .networks import Network
from .page import page
from .setting import IMAGES, OWN, SMALL, Setting, read_setting
from .upload import own_from
from .view import ReprogrammingView, Shown

REFRESH = 0.3  # seconds between two pictures of a training
_WIDE = {"style": {"description_width": "15em"}, "layout": {"width": "min(40em, 98%)"}}


class Stopped(Exception):
    """Somebody asked for something else in the meantime."""


def _button(words: str, hint: str, act: Callable) -> ipywidgets.Button:
    button = ipywidgets.Button(description=words, tooltip=hint, layout={"width": "auto"})
    button.on_click(lambda _: act())
    return button


class ReprogrammingExplorer(ipywidgets.VBox):
    """The explorer. `shown` is what is on the screen, `setting` what the controls say, `pinned` what was pinned.

    Work is done beside the event loop, so that the page stays alive; whatever was asked for before the last change is stopped
    and never shown. Without an event loop everything happens at once.

    Parameters
    ----------
    setting : JSON, a link or its query, a dictionary, a `Setting`, or None for the default.
    uploads : offer to read an .onnx file from the reader's browser.

    Raises
    ------
    MrntkError
        For a setting that does not exist.
    """

    def __init__(self, setting=None, *, uploads: bool = False):
        self.view, self.own, self.shown, self.pinned = ReprogrammingView(), None, None, None
        self.picture, self.said, self.alt = b"", "", ReprogrammingView.alt
        self._kept = b"", ""  # picture and description of what is pinned
        self._generation, self._quiet, self._tasks = 0, False, set()
        self._worker = ThreadPoolExecutor(1)
        self.faces = {name: control_face(control) for name, control in self.view.controls.items()}
        self.link = ipywidgets.Text(description="this setting", continuous_update=False, **_WIDE)
        self.buttons = {
            "train": _button("Train for real", "Run real training and lay it over the prediction", self.train),
            "cancel": _button("Cancel", "Stop what is being computed", self.cancel),
            "pin": _button("Pin", "Keep this setting beside the next ones", self.pin),
            "unpin": _button("Unpin", "Remove the pinned setting", self.unpin),
        }
        self.progress = ipywidgets.FloatProgress(min=0, max=1, description="computing", **_WIDE)
        self.message, self.output = ipywidgets.HTML(), ipywidgets.HTML()
        self.upload = ipywidgets.FileUpload(
            accept=".onnx", multiple=False, description="own source (.onnx)", layout={"width": "auto"}
        )
        chosen = read_setting(setting)
        self._show_controls(chosen)
        for face in self.faces.values():
            face.observe(self._changed, "value")
        self.link.observe(self._linked, "value")
        self.upload.observe(self._uploaded, "value")
        bar = ipywidgets.Box([*self.buttons.values(), *[self.upload] * uploads], layout={"flex_flow": "row wrap"})
        title = ipywidgets.HTML(f"<b>{html.escape(self.view.title)}</b>")
        super().__init__([title, *self.faces.values(), bar, self.link, self.progress, self.message, self.output])
        if chosen.source in SMALL:
            self._compute_now()
        else:
            self._ask()

    # The state.

    @property
    def setting(self) -> Setting:
        """What the controls say."""
        return Setting(**{name: _rounded(face.value) for name, face in self.faces.items()})

    def set(self, setting=None, **changes):
        """Move controls, all at once: to a setting (JSON, link, dictionary), or some of them by name.

        Raises
        ------
        MrntkError
            For a setting that does not exist.
        """
        base = asdict(read_setting(setting) if setting is not None else self.setting)
        self._show_controls(read_setting(base | changes))
        self._ask()

    def _show_controls(self, setting: Setting):
        """Move the controls without computing anything yet."""
        if setting.source == OWN and self.own is None:
            raise MrntkError("source=own: choose an .onnx file first.")
        self._quiet = True
        try:
            for name, face in self.faces.items():
                wanted = getattr(setting, name)
                if _rounded(face.value) != wanted:  # what is written back overtakes a hand that still drags
                    face.value = wanted
                face.disabled = not setting.matters(name)
            self.link.value = f"?{setting.query()}"
        finally:
            self._quiet = False

    def _changed(self, _):
        if not self._quiet:
            self._show_controls(self.setting)
            self._ask()

    def _linked(self, _):
        if self._quiet:
            return
        try:
            self.set(self.link.value)
        except MrntkError as error:
            self._mistake(error)

    # Computing.

    def _ask(self):
        """Compute what the controls say: after a short pause without another change, or at once without an event loop."""
        self._generation += 1
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._compute_now()
            return
        self._start(loop, self._answer(self._generation))

    def _start(self, loop, work):
        task = loop.create_task(work)
        self._tasks.add(task)  # the loop itself would not keep it alive
        task.add_done_callback(self._tasks.discard)

    def _teller(self, generation: int, loop) -> Callable:
        """What a computation tells its share of the work: it moves the bar, and stops what is no longer asked for."""

        def say(share: float):
            if generation != self._generation:
                raise Stopped
            loop.call_soon_threadsafe(self._progressed, generation, share)

        return say

    def _compute_now(self):
        try:
            self._show(self.view.compute(**asdict(self.setting), own=self.own))
        except MrntkError as error:
            self._nothing(error)

    async def _answer(self, generation: int):
        await asyncio.sleep(PAUSE)
        if generation != self._generation:
            return
        loop, values = asyncio.get_running_loop(), asdict(self.setting)
        say = self._teller(generation, loop)
        self._wait("computing")
        try:
            data = await loop.run_in_executor(self._worker, lambda: self.view.compute(**values, own=self.own, say=say))
        except Stopped:
            return
        except MrntkError as error:
            if generation == self._generation:
                self._nothing(error)
            return
        except Exception as error:  # a mistake of ours
            if generation == self._generation:
                self._nothing(f"This went wrong: {type(error).__name__}: {error}")
            raise
        if generation == self._generation:
            self._show(data)

    def _progressed(self, generation: int, share: float):
        if generation == self._generation:
            self.progress.value = share

    def _wait(self, words: str):
        self.progress.description, self.progress.value = words, 0
        self.progress.layout.visibility = "visible"

    def _idle(self):
        self.progress.layout.visibility = "hidden"

    # Real training.

    def train(self):
        """Train really, and lay it over the prediction; `cancel` stops it."""
        if self.shown is None:
            return
        self._generation += 1
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            *_, run = train(self.shown.analysis)
            self._show_run(run)
            return
        self._start(loop, self._watch(self._generation))

    async def _watch(self, generation: int):
        loop = asyncio.get_running_loop()
        runs, shown = train(self.shown.analysis, self._teller(generation, loop)), loop.time()
        self._wait("training")
        while generation == self._generation:
            try:
                run: WatchedTraining = await loop.run_in_executor(self._worker, next, runs)
            except Stopped:
                return
            if generation != self._generation:
                return
            if run.done or loop.time() - shown > REFRESH:
                self._show_run(run)
                shown = loop.time()
            if run.done:
                self._idle()
                return

    def _show_run(self, run: WatchedTraining):
        self.shown = self.shown._replace(run=run)
        self._refresh()

    def cancel(self):
        """Stop what is being computed; what is on the screen stays."""
        self._generation += 1
        self._idle()
        self.message.value = '<p role="status">Stopped; what is shown stays as it was.</p>'

    # Showing.

    def _show(self, data: Shown):
        before = None if self.shown is None else self.shown.analysis
        self.shown = data._replace(before=before)
        self._idle()
        self._refresh()

    def _nothing(self, error):
        """There is no answer: the last picture must not stay beside controls that left it."""
        self.shown, self.picture, self.said, self.output.value = None, b"", str(error), ""
        self._mistake(error)

    def _mistake(self, error):
        self._idle()
        self.message.value = f'<p role="alert">{html.escape(str(error))}</p>'

    def _refresh(self):
        data = self.shown
        with ONE_AT_A_TIME:
            self.picture = picture_of(self.view, data)
            self.said, self.alt = self.view.words(data), self.view.description(data)
            self.message.value = ""
            shown = {"now": (data.analysis, self.picture, self.alt)}
            kept = {"pinned": (self.pinned.analysis, *self._kept)} if self.pinned else {}
            self.output.value = page(kept | shown, self.said)

    def pin(self):
        """Keep what is shown beside what comes next."""
        if self.shown is not None:
            self.pinned, self._kept = self.shown, (self.picture, self.alt)
            self._refresh()

    def unpin(self):
        """Show one setting again."""
        self.pinned = None
        if self.shown is not None:
            self._refresh()

    # The reader's own source.

    def _uploaded(self, _):
        if not self.upload.value:
            return
        file = self.upload.value[0]
        try:
            self.use(own_from(file["name"], bytes(file["content"])))
        except MrntkError as error:
            self._mistake(error)

    def use(self, own: Network):
        """Take the reader's own source, and show it."""
        self.own, face = own, self.faces["source"]
        kept = [option for option in face.options if option[1] != OWN]
        self._quiet = True
        face.options = [*kept, (own.words, OWN)]
        self._quiet = False
        task = {3: "digits", 2: "gunpoint"}[len(own.shape)]
        self.set(source=OWN, **({} if _suits(own, self.setting.task) else {"task": task}))

    def close(self):
        """Stop, and let go of everything."""
        self._generation += 1
        self._worker.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _repr_mimebundle_(self, **kwargs):
        """The live widget, and for pages that are only read the picture with its description."""
        return static_picture(super()._repr_mimebundle_(**kwargs), self.picture, self.said, self.alt)


def _rounded(value):
    """The value of a control without the noise of floats: sliders put 3 * 0.05 = 0.15000000000000002."""
    return round(value, 6) if isinstance(value, float) else value


def _suits(own: Network, task: str) -> bool:
    return (len(own.shape) == 3) == (task in IMAGES.values())
