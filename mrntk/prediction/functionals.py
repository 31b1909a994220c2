"""Functionals of the spectrum of Theta_T that may decide whether reprogramming works: one number each, from the start of
training.

The paper's is lambda_min. Beside it: the other end and the mean of the spectrum, its condition, how many eigenvalues carry
it, and two that look at the labels as well. Their step size is what lambda_max allows, so that a factor of the kernel does
not matter to them.
"""

from .before_training import BeforeTraining
from .closed_form import mse

STEPS, FRACTION = 100, 0.5  # of the predicted loss: gradient descent at half the largest stable step

# name: in formulas
FUNCTIONALS = {
    "lambda_min": r"$\lambda_{\min}$",
    "lambda_max": r"$\lambda_{\max}$",
    "lambda_mean": r"mean $\lambda$",
    "condition": r"$\lambda_{\min}/\lambda_{\max}$",
    "effective_rank": "effective rank",
    "alignment": "alignment",
    "predicted_loss": "predicted loss",
}


def functionals(before: BeforeTraining) -> dict[str, float]:
    """Every functional of `FUNCTIONALS`, and `rank`.

    `lambda_min` and `condition` are exactly 0 where the kernel is singular in double precision. `predicted_loss` is the squared
    loss that the linearised model has left after `STEPS` steps at `FRACTION` of the largest stable step. For the zero kernel
    of a model that trains nothing, the alignment is 0 and the predicted loss that of the start.
    """
    found = before.spectrum
    out = {"lambda_min": before.lambda_min, "lambda_max": found.max, "lambda_mean": found.mean}
    if found.max <= 0:
        start = mse(before.residual)
        return out | {"condition": 0.0, "effective_rank": 0.0, "alignment": 0.0, "predicted_loss": start, "rank": 0}
    prediction = before.predict(FRACTION * before.stability_limit())
    return out | {
        "condition": before.lambda_min / found.max,
        "effective_rank": found.effective_rank,
        "alignment": before.alignment,
        "predicted_loss": float(prediction.loss([STEPS])[0]),
        "rank": found.rank,
    }
