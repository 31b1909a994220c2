"""Model reprogramming through its neural tangent kernel: the package behind the course in notebooks/.

Names are loaded when they are first used, so importing `mrntk` itself is instant.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "Reprogram": "reprogram",
    "load_task": "tasks",
    "load_source": "sources.registry",
    "empirical_ntk": "ntk.empirical",
    "jacobian_rows": "ntk.empirical",
    "DNN": "sources.networks",
    "CNN": "sources.networks",
    "VGG": "sources.networks",
    "ResNet": "sources.networks",
    "FullyConnected": "inputs",
    "Identity": "inputs",
    "VisualPrompt": "inputs",
    "FullyConnectedPrompt": "inputs",
    "SeededFullyConnected": "inputs",
    "KernelMachine": "sources.kernel_machine",
    "Watermark": "inputs",
    "MrntkError": "errors",
}
_MODULES = {
    "density",
    "dynamics",
    "estimates",
    "figures",
    "function_space",
    "inputs",
    "lazy",
    "ntk",
    "outputs",
    "recipes",
    "reprogram",
    "sharper",
    "sources",
    "spectrum",
    "style",
    "tasks",
    "theory",
    "training",
}
__all__ = sorted(_HOME | dict.fromkeys(_MODULES))


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
