"""Output mappings b: R^{c_S} -> R^{c_T}, fixed and linear (Assumption 2)."""

import equinox as eqx
from jaxtyping import Float

from .arrays import Array


class IdentityOutput(eqx.Module):
    """b = I: class i of the source means class i of the target."""

    def __call__(self, scores: Float[Array, " cS"]) -> Float[Array, " cT"]:
        return scores


class LinearOutput(eqx.Module):
    """b as a given c_T x c_S matrix."""

    matrix: Float[Array, "cT cS"]

    def __call__(self, scores: Float[Array, " cS"]) -> Float[Array, " cT"]:
        return self.matrix @ scores
