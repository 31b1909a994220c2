"""Transferability scores by others, which a ranking of sources has to be compared with. All but two look at what the frozen
source makes of the target's examples: its features, or its outputs. Higher is better throughout.

They were made for a head that is trained on frozen features, not for an input transformation. Each is written from its paper.
"""

import numpy as np
import scipy.special
from jaxtyping import Float, Int
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..support.errors import MrntkError

Features = Float[np.ndarray, "N d"]
Labels = Int[np.ndarray, " M"]  # M = N

PRECISION = 1e-4  # epsilon of TransRate
MOST = 64  # dimensions that GBC keeps
LEAST = 1e-6  # of a variance, in units of the mean variance


def classes_of(features: Features, labels: Labels, least: int = 1) -> np.ndarray:
    """The classes that there are.

    Raises
    ------
    MrntkError
        If features and labels differ in number, there is one class only, or a class has fewer than `least` examples.
    """
    if len(features) != len(labels):
        raise MrntkError(
            f"there are {len(features)} examples and {len(labels)} labels: give one label for every example."
        )
    found, counts = np.unique(labels, return_counts=True)
    if len(found) < 2:
        raise MrntkError("all examples are of one class: give examples of two classes or more.")
    if counts.min() < least:
        raise MrntkError(
            f"class {found[counts.argmin()]} has {counts.min()} example: this score needs {least} of every class."
        )
    return found


def logme(features: Features, labels: Labels) -> float:
    """LogME: the largest log evidence per example of a Bayesian linear regression of the one-hot labels on the features.

    Means over classes (You et al. 2021, eq. 2 and Algorithm 1; the evidence is maximised by scikit-learn).

    Raises
    ------
    MrntkError
        As `classes_of`.
    """
    options = {"fit_intercept": False, "compute_score": True, "max_iter": 1000, "tol": 1e-6}
    priors = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)  # flat
    evidence = [
        BayesianRidge(**options, **priors).fit(features, (labels == c).astype(float)).scores_[-1]
        for c in classes_of(features, labels)
    ]
    return float(np.mean(evidence) / len(labels))


def leep(outputs: Float[np.ndarray, "N cS"], labels: Labels) -> float:
    """LEEP: the mean log likelihood of the labels, if the source's classes z are drawn by its softmax and y by P(y | z).

    P(y | z) is estimated on the same examples (Nguyen et al. 2020, eq. 2).

    Raises
    ------
    MrntkError
        As `classes_of`.
    """
    found = classes_of(outputs, labels)
    z = scipy.special.softmax(np.asarray(outputs, np.float64), axis=1)
    joint = np.stack([z[labels == c].sum(0) for c in found]) / len(labels)  # (classes, cS)
    conditional = joint / joint.sum(0)
    likelihood = (z @ conditional.T)[np.arange(len(labels)), np.searchsorted(found, labels)]
    return float(np.log(likelihood).mean())


def nce(outputs: Float[np.ndarray, "N cS"], labels: Labels) -> float:
    """NCE: minus the conditional entropy of the labels, given the source's most likely class (Tran et al. 2019, eq. 5).

    Raises
    ------
    MrntkError
        As `classes_of`.
    """
    found, guessed = classes_of(outputs, labels), np.argmax(outputs, axis=1)
    joint = np.array([[np.mean((labels == c) & (guessed == z)) for z in np.unique(guessed)] for c in found])
    return float(scipy.special.entr(joint.sum(0)).sum() - scipy.special.entr(joint).sum())


def h_score(features: Features, labels: Labels) -> float:
    """H-score: tr(cov(f)^-1 cov(E[f | y])) (Bao et al. 2019, Definition 2).

    The covariance is shrunk by Ledoit and Wolf, as Ibrahim et al. 2022 advise where there are few examples.

    Raises
    ------
    MrntkError
        As `classes_of`.
    """
    found = classes_of(features, labels)
    centred = np.asarray(features, np.float64) - features.mean(0)
    means = np.stack([centred[labels == c].mean(0) for c in found])
    shares = np.array([np.mean(labels == c) for c in found])
    between = (means * shares[:, None]).T @ means
    covariance = LedoitWolf(assume_centered=True).fit(centred).covariance_
    return float(np.trace(np.linalg.pinv(covariance, hermitian=True) @ between))


def gbc(features: Features, labels: Labels) -> float:
    """GBC: minus the Bhattacharyya coefficients of all pairs of classes, each a Gaussian with one variance for all directions.

    On the first 64 principal components (Pandy et al. 2022, eq. 3 to 5, the spherical variant).

    Raises
    ------
    MrntkError
        As `classes_of`.
    """
    found = classes_of(features, labels, least=2)
    if not np.ptp(features, axis=0).any():
        return -float(len(found) * (len(found) - 1))  # all features are the same, all classes one
    z = PCA(min(MOST, *features.shape), svd_solver="full").fit_transform(np.asarray(features, np.float64))
    means = np.stack([z[labels == c].mean(0) for c in found])
    variances = np.array([z[labels == c].var(0).mean() for c in found])
    variances = np.maximum(variances, LEAST * z.var(0).mean())
    mean_variance = (variances[:, None] + variances) / 2
    squares = ((means[:, None] - means) ** 2).sum(-1)
    distance = squares / mean_variance / 8
    logs = np.log(variances)
    distance += z.shape[1] / 2 * (np.log(mean_variance) - (logs[:, None] + logs) / 2)
    return -float(np.exp(-distance)[~np.eye(len(found), dtype=bool)].sum())


def transrate(features: Features, labels: Labels) -> float:
    """TransRate: the coding rate of all features less the mean rate of those of a class (Huang et al. 2022, eq. 3 and 4).

    The rate of centred features Z at precision eps = 1e-4 is log det(I + Z^T Z / (n eps)) / 2.

    Raises
    ------
    MrntkError
        As `classes_of`.
    """
    centred = np.asarray(features, np.float64) - features.mean(0)

    def rate(part):
        values = np.linalg.svd(part, compute_uv=False)
        return 0.5 * np.log1p(values**2 / (len(part) * PRECISION)).sum()

    return float(rate(centred) - np.mean([rate(centred[labels == c]) for c in classes_of(features, labels)]))


def linear_probe(features: Features, labels: Labels, *, folds: int = 5) -> float:
    """The cross-validated accuracy of logistic regression on the standardised features.

    Raises
    ------
    MrntkError
        As `classes_of`; a class needs two examples.
    """
    classes_of(features, labels, least=2)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, C=0.1))
    count = int(min(folds, np.unique(labels, return_counts=True)[1].min()))
    split = StratifiedKFold(count, shuffle=True, random_state=0)
    return float(cross_val_score(model, features, labels, cv=split).mean())


def gradient_size(gradients: Float[np.ndarray, "N d"]) -> float:
    """The l1 norm of the mean input gradient of the loss, in which the success of a watermark lies to first order.

    Zheng et al. 2023, sec. 3: one delta for all inputs, no entry larger than eps, lowers the mean loss by eps times this.
    """
    return float(np.abs(gradients.mean(0)).sum())


def gradient_alignment(gradients: Float[np.ndarray, "N d"]) -> float:
    """How much of the input gradients' size their mean keeps: from 0, where they cancel, to 1, where all are alike.

    The l1 norm of the mean over the mean of the l1 norms (Zheng et al. 2023, sec. 3); 0 where all gradients are 0.
    """
    whole = np.abs(gradients).sum(1).mean()
    return gradient_size(gradients) / float(whole) if whole > 0 else 0.0
