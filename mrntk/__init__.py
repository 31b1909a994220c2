"""Model reprogramming through its neural tangent kernel: the library behind the course in notebooks/.

Every public name stands below once, grouped by what it is for. A name is loaded when it is first used, so that importing
`mrntk` itself is instant.
"""

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:  # read by editors as it stands, and by `_public_names` below
    # the reprogrammed model f_T = b o f_S o a
    from .model.input_maps import INPUT_MAPS, InputMap, make_input_map
    from .model.input_maps import FullyConnected, FullyConnectedPrompt, Identity, Resize, SeededFullyConnected
    from .model.input_maps import VisualPrompt, Watermark
    from .model.output_maps import IdentityOutput, LinearOutput, TrainedLinear
    from .model.output_maps import bayesian_mapping, frequency_mapping, random_mapping
    from .model.reprogram import Reprogram, predict, predict_float64

    # tasks and sources
    from .tasks import Task, load_task
    from .sources.registry import load_source
    from .sources.networks import CNN, DNN, VGG, ResNet
    from .sources.kernel_machine import KernelMachine

    # kernels and their spectra; eigenvalues themselves: `mrntk.spectrum`
    from .ntk.empirical import empirical_ntk, jacobian_rows
    from .spectrum.eigenvalues import Spectrum, alignment
    from .spectrum.estimates import largest_eigenvalues, trace
    from .spectrum.density import density_of_states

    # what the kernel says before training, and how long that holds
    from .prediction.before_training import BeforeTraining, before_training
    from .prediction.closed_form import Prediction, stability_limit
    from .prediction.lazy import lazy_report

    # training
    from .training.fit import fit, fit_seeds, gradient_descent

    # errors that are meant for the reader
    from .support.errors import MrntkError


__version__ = "0.1.0"


def _public_names() -> dict[str, list[str]]:
    """{module: names} of the imports above, so that no name has to be written twice."""
    names: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names.setdefault(node.module, []).extend(alias.name for alias in node.names)
    return names


__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_public_names())
