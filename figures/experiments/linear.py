"""Linear models, beside which a reprogrammed network has to be worth its trouble."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

FOLDS = 5  # of cross-validation, or fewer if a class has fewer examples
STRENGTHS = np.logspace(-4, 2, 7)  # inverse strengths of the penalty, among which cross-validation chooses by log loss


def linear_accuracies(x, labels, x_test, answers) -> dict[str, float]:
    """{"train_accuracy", "test_accuracy"} of logistic regression on the standardised entries of x.

    Parameters
    ----------
    x, x_test : arrays with one example a row, of any shape.
    labels, answers : class numbers.
    """
    flat, flat_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = int(min(FOLDS, np.bincount(labels).min()))
    with threadpool_limits(1):  # a piece has one core
        search = GridSearchCV(model, {"logisticregression__C": STRENGTHS}, cv=folds, scoring="neg_log_loss")
        fitted = search.fit(flat, labels).best_estimator_
        return {"train_accuracy": fitted.score(flat, labels), "test_accuracy": fitted.score(flat_test, answers)}
