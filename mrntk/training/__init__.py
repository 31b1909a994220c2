"""Training of sources and of input maps, by optax."""

from .fit import LOSSES, TrainingResult, cross_entropy_loss, fit, fit_seeds, gradient_descent, mse_loss, train_source
from .plateau import Plateau, late_losses
from .recipes import IterativeMapping, reprogramming_optimiser, source_optimiser

__all__ = [
    "LOSSES",
    "IterativeMapping",
    "Plateau",
    "TrainingResult",
    "cross_entropy_loss",
    "fit",
    "fit_seeds",
    "gradient_descent",
    "late_losses",
    "mse_loss",
    "reprogramming_optimiser",
    "source_optimiser",
    "train_source",
]
