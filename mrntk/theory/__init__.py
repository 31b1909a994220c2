"""The theory's statements, computed: the bound on lambda_min[Theta_T] factor by factor, Assumption 3, a sharper bound."""

from .bound import (
    Assumption3,
    Bound,
    GeneralisationTerm,
    assumption3,
    bound,
    feature_map,
    generalisation_term,
    hadamard_bound,
    output_matrix,
    target_gradient,
    theta_a,
    theta_a_min,
    theta_s_a,
    theta_s_b,
)

__all__ = [
    "Assumption3",
    "Bound",
    "GeneralisationTerm",
    "assumption3",
    "bound",
    "feature_map",
    "generalisation_term",
    "hadamard_bound",
    "output_matrix",
    "target_gradient",
    "theta_a",
    "theta_a_min",
    "theta_s_a",
    "theta_s_b",
]
