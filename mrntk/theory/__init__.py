"""The theory's statements, computed: the bound on lambda_min[Theta_T] factor by factor, Assumption 3, a sharper bound."""

from .bound import (
    assumption3,
    bound,
    bound_from_gradients,
    feature_jacobian,
    generalisation_term,
    hadamard_bound,
    input_gradient,
    smallest_of_gram,
    target_gradient,
    theta_a,
    theta_a_min,
    theta_s_a,
    theta_s_b,
)

__all__ = [
    "assumption3",
    "bound",
    "bound_from_gradients",
    "feature_jacobian",
    "generalisation_term",
    "hadamard_bound",
    "input_gradient",
    "smallest_of_gram",
    "target_gradient",
    "theta_a",
    "theta_a_min",
    "theta_s_a",
    "theta_s_b",
]
