"""Estimators with the scikit-learn interface for several targets at once: thin facades over `polytask.fit`."""

from polytask.errors import MissingExtraError

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        "estimators need the package scikit-learn", where="polytask.estimators", remedy="pip install 'polytask[sklearn]'"
    ) from error

from polytask.estimators.classifier import MultiTaskClassifier
from polytask.estimators.estimator import MultiTaskEstimator
from polytask.estimators.regressor import MultiTaskRegressor

__all__ = ["MultiTaskClassifier", "MultiTaskEstimator", "MultiTaskRegressor"]
