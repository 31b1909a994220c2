"""How well a score before training ranks sources: agreement with the truth, and what its first choice loses.

Our score is the share of examples that the kernel classifies when they are left out, after a probe of training. How it leaves
them out (in folds, with training of the linearised model followed for so many steps; or one at a time in closed form, with a
ridge of lambda_max over so many steps) is chosen by Kendall's tau on the first half of sources and tasks, and judged on the
second.
"""

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from figures.experiments.ranking import HORIZONS

FIRST_HALF = ("digits", "fashion5k", "gunpoint", "arrowhead")  # tasks on which the score was chosen
# score: (label, sign with which more is better); but for ours all are columns of the data
SCORES = {
    "ours": ("predicted accuracy (ours)", 1),
    "ours_at_start": ("the same without a probe", 1),
    "probe": ("loss after the probe", -1),
    "start_predicted_loss": ("predicted training loss", -1),
    "start_alignment": ("alignment", 1),
    "start_lambda_min": (r"$\lambda_{\min}$ (the paper)", 1),
    "start_condition": (r"$\lambda_{\min}/\lambda_{\max}$", 1),
    "start_start_loss": ("starting loss", -1),
    "source_accuracy": ("source accuracy", 1),
    "logme": ("LogME", 1),
    "behind_logme": ("LogME behind a", 1),
    "h_score": ("H-score", 1),
    "behind_h_score": ("H-score behind a", 1),
    "leep": ("LEEP", 1),
    "nce": ("NCE", 1),
    "gbc": ("GBC", 1),
    "transrate": ("TransRate", 1),
    "probe_outputs": ("linear probe, outputs", 1),
    "probe_features": ("linear probe, features", 1),
    "gradient_size": ("gradient size", 1),
    "gradient_alignment": ("gradient alignment", 1),
}
OURS = ("ours", "ours_at_start")  # judged against all others
FORMS = tuple(f"{kind}_{steps}" for kind in ("ridge", "accuracy") for steps in HORIZONS)  # what ours could be
SETTING, SOURCE = ["task", "map"], ["family", "depth", "home", "epochs", "source_loss"]
LEAST = 6  # sources that a setting must have
SPREAD = 0.1  # by how much their accuracies after training must differ at least: else there is nothing to rank


def half(data: pd.DataFrame, second: bool) -> pd.DataFrame:
    """Every other source, and the tasks on which the score was chosen, or those that were held out."""
    number = data[SOURCE].drop_duplicates().reset_index(drop=True).reset_index(names="number")
    data = data.merge(number, on=SOURCE)
    data = data[(data["number"] % 2 == int(second)) & (data["task"].isin(FIRST_HALF) != second)]
    return data.drop(columns="number")


def held_out(data: pd.DataFrame) -> pd.DataFrame:
    """The half by which the scores are judged; all there is where that is less than a ranking (a run at smoke scale)."""
    data = with_ours(data)
    found = half(data, second=True)
    return found if len(quality(found)) else data


def with_ours(data: pd.DataFrame) -> pd.DataFrame:
    """The data with our score, in the form that the first half chooses."""
    first = half(data, second=False)
    form = chosen(first if next(settings(first), None) else data)
    return data.assign(ours=data[f"probe_{form}"], ours_at_start=data[f"start_{form}"])


def chosen(data: pd.DataFrame) -> str:
    """The form of our score with the highest mean tau over settings and seeds; the first where there are none."""
    taus = {
        form: [kendall(part[f"probe_{form}"], part["test_accuracy"]) for _, part in settings(data)] for form in FORMS
    }
    return max(FORMS, key=lambda form: np.mean(taus[form] or 0.0))


def settings(data: pd.DataFrame):
    """((task, map, seed), its rows) where there are sources enough, and something to rank."""
    for place, part in data.groupby([*SETTING, "seed"], sort=False):
        if len(part) >= LEAST and np.ptp(part["test_accuracy"]) >= SPREAD:
            yield place, part


def quality(data: pd.DataFrame) -> pd.DataFrame:
    """A row per setting, seed and score: Kendall's tau, and the regret of the first choice and of the best of three.

    What a score does not know (the accuracy of a network whose own data are not here) counts as its mean over the others.
    """
    rows = []
    for (task, name, seed), part in settings(data):
        truth = part["test_accuracy"].to_numpy()
        for score, (_, sign) in SCORES.items():
            values = sign * part[score].fillna(part[score].mean()).fillna(0).to_numpy()
            order = np.argsort(-values, kind="stable")
            rows.append(
                {"task": task, "map": name, "seed": seed, "score": score, "sources": len(part),
                 "tau": kendall(values, truth), "first": truth.max() - truth[order[0]],
                 "three": truth.max() - truth[order[:3]].max()}
            )  # fmt: skip
    return pd.DataFrame(rows)


def kendall(values, truth) -> float:
    """Kendall's tau b of two rankings; 0 where one of them ranks nothing."""
    tau = kendalltau(values, truth, method="asymptotic").statistic  # of its p-value nothing is asked
    return 0.0 if np.isnan(tau) else float(tau)


def by_score(found: pd.DataFrame, column: str) -> dict[str, np.ndarray]:
    """{score: one number per setting, mean over seeds}, the best first."""
    table = found.groupby(["score", *SETTING])[column].mean()
    values = {score: table[score].to_numpy() for score in SCORES}
    return dict(sorted(values.items(), key=lambda item: item[1].mean() * (-1 if column == "tau" else 1)))
