"""Source models f_S.

A source is any pytree that is callable on ONE example, `source(s) -> (c_S,)`, and has `input_shape`, `num_outputs` and `name`.
"""

from .networks import CNN, DNN, VGG, ResNet

__all__ = ["CNN", "DNN", "VGG", "ResNet"]
