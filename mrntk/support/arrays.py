"""The array type that public functions take: JAX's or NumPy's."""

import jax
import numpy as np

Array = jax.Array | np.ndarray
