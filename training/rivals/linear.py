"""Logistic regression from scikit-learn on indicators made even."""

from __future__ import annotations

from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from training.fitting import Recipe
from training.rivals.rival import FittedRival, Rival, informative, stored_bytes
from training.rows import Rows


def _fit(rows: Rows, _recipe: Recipe, seed: int) -> FittedRival:
    kept = informative(rows.X)
    model = make_pipeline(
        # Capital and fines span six powers of ten; a straight line needs them even. It lets NaN through.
        QuantileTransformer(n_quantiles=min(100, len(rows.y)), subsample=None, random_state=seed),
        SimpleImputer(strategy="mean", add_indicator=True),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    model.fit(rows.X[:, kept], rows.y, logisticregression__sample_weight=rows.weight)
    return FittedRival(lambda X: model.decision_function(X[:, kept]), stored_bytes((kept, model)))


LOGISTIC_REGRESSION = Rival(
    "logistic_regression",
    "scikit-learn's, on the indicators by rank",
    "the mean, and a column that says it was missing",
    "yes",
    _fit,
)
