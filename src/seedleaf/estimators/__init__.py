"""What seedleaf is to scikit-learn: classifiers and regressors with `fit` and `predict`."""
