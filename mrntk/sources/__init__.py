"""Source models f_S.

A source is any pytree that is callable on ONE example, `source(s) -> (c_S,)`, and has `input_shape`, `num_outputs` and `name`.
"""

from .kernel_machine import KernelMachine, feature_kernel, nt_kernel, relu_ntk
from .networks import CNN, DNN, VGG, ResNet

__all__ = ["CNN", "DNN", "VGG", "KernelMachine", "ResNet", "feature_kernel", "nt_kernel", "relu_ntk"]
