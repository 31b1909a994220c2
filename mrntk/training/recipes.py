"""The authors' recipes: their optimisers, and iterative label mapping as a callback of training."""

from collections.abc import Callable
from functools import cache

import equinox as eqx
import jax
import optax
from jaxtyping import Float, Int

from ..model.output_maps import LinearOutput, frequency_mapping
from ..model.reprogram import Reprogram, predict
from ..support.arrays import Array
from ..support.errors import MrntkError

# The optimisers are cached, because JAX compiles anew for every new optimiser object.


@cache
def source_optimiser(learning_rate: float = 1e-3, weight_decay: float = 0.0) -> optax.GradientTransformation:
    """Adam for sources, with the authors' batch of 128; weight decay is an L2 term in the gradient, as in their code."""
    adam = optax.adam(learning_rate)
    return optax.chain(optax.add_decayed_weights(weight_decay), adam) if weight_decay else adam


@cache
def reprogramming_optimiser(
    learning_rate: float = 1e-3, prompt_learning_rate: float = 0.1
) -> optax.GradientTransformation:
    """Adam for theta of a `Reprogram`: one learning rate for every leaf named `delta` (prompts), one for all others."""

    def label(path, _):
        return "prompt" if getattr(path[-1], "name", None) == "delta" else "weights"

    rates = {"prompt": optax.adam(prompt_learning_rate), "weights": optax.adam(learning_rate)}
    return optax.multi_transform(rates, lambda theta: jax.tree_util.tree_map_with_path(label, theta))


class IterativeMapping(eqx.Module):
    """Iterative label mapping (ILM; Chen et al. 2023), a callback: b is estimated anew before every `every`-th epoch.

    The model starts with a `LinearOutput` of shape (c_T, c_S), whose values do not matter.

    Parameters
    ----------
    x : the training inputs.
    labels : their class numbers.
    every : epochs from one estimate to the next.
    estimate : `frequency_mapping`, or any function of (source scores, labels, c_T) that gives a `LinearOutput`, such as
        `bayesian_mapping`.

    Raises
    ------
    MrntkError
        If the model's output map is no `LinearOutput`.
    """

    x: Float[Array, "N *dT"]
    labels: Int[Array, " N"]
    every: int = 1
    estimate: Callable = frequency_mapping

    def __call__(self, epoch: int, model) -> Reprogram | None:
        if not isinstance(getattr(model, "output_map", None), LinearOutput):
            raise MrntkError(
                "model.output_map is no LinearOutput: start with one, for example random_mapping(key, c_S, c_T)."
            )
        if self.every < 1:
            raise MrntkError(f"every={self.every}: give at least 1.")
        if epoch % self.every:
            return None
        scores = predict(Reprogram(model.input_map, model.source), self.x, batch=256)
        return Reprogram(
            model.input_map, model.source, self.estimate(scores, self.labels, len(model.output_map.matrix))
        )
