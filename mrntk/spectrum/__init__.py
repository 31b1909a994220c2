"""Eigenvalues: exact ones and what they say of a target, estimates from products K v alone, the density of states."""

from .eigenvalues import Spectrum, alignment, as_matrix, smallest_eigenvalue, spectrum

__all__ = ["Spectrum", "alignment", "as_matrix", "smallest_eigenvalue", "spectrum"]
