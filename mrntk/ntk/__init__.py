"""Neural tangent kernels: empirical (finite networks) and infinite-width (by neural-tangents)."""
