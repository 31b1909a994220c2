"""Finite against infinite width: the NTK of random networks on a circle, beside the limit that they approach."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from mrntk.support.style import OKABE_ITO
from mrntk.widgets.view import Choice, Slider, ViewModel
from notebooks.toys.by_layers import finite_kernels, kernels_by_depth, random_layers

ANGLES = np.linspace(0, np.pi, 37)
POINTS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)  # (37, 2)
DRAWS = 6


@cache
def _kernels(
    width: int, depth: int, activation: str
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "draws n n"]]:
    """On `POINTS`: the kernel at infinite width, and those of random networks. None of them has biases."""
    setting = {"b_std": 0.0, "activation": activation}
    networks = [random_layers(np.random.default_rng(seed), 2, width, depth - 1) for seed in range(DRAWS)]
    drawn = [finite_kernels(POINTS, layers, **setting)[-1] for layers in networks]
    return kernels_by_depth(POINTS, depth, **setting)[-1], np.array(drawn)


class WidthView(ViewModel):
    """How far the NTK of a random network is from its limit, by width, depth and activation."""

    title = "The kernel of a random network, and its limit"
    alt = (
        "The NTK between a fixed point of the unit circle and a point at an angle to it, against the angle: thin lines for "
        "random networks of the chosen width, one thick line for infinite width."
    )
    controls = {
        "width": Choice("width", {str(2**k): 2**k for k in range(3, 10)}, 64),
        "depth": Slider("depth (linear layers)", 2, 6, 3),
        "activation": Choice("activation", {"ReLU": "relu", "erf": "erf"}, "relu"),
    }

    def compute(self, *, width: int, depth: int, activation: str) -> dict:
        limit, drawn = _kernels(width, depth, activation)
        off = np.linalg.norm(drawn - limit, axis=(1, 2)) / np.linalg.norm(limit)
        return {"drawn": drawn[:, 0], "limit": limit[0], "off": off, "width": width, "depth": depth}

    def draw(self, data):
        figure, axis = plt.subplots(figsize=(5.4, 2.9))
        for number, row in enumerate(data["drawn"]):
            label = f"width {data['width']}, {len(data['drawn'])} draws" if number == 0 else None
            axis.plot(np.degrees(ANGLES), row, color=OKABE_ITO[1], lw=0.9, label=label)
        axis.plot(np.degrees(ANGLES), data["limit"], color=OKABE_ITO[0], lw=2.4, label="infinite width")
        axis.set(xlabel="angle between the two points (degrees)", ylabel="NTK", xticks=range(0, 181, 45))
        axis.legend()
        return figure

    def words(self, data) -> str:
        return (
            f"At width {data['width']} and depth {data['depth']}, the kernel of one random network differs from the limit by "
            f"{np.mean(data['off']):.0%} on average (Frobenius norm, {len(data['off'])} draws)."
        )
