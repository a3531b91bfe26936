"""Spaces from elsewhere and back: ConfigSpace, Optuna, YAML. Nothing of theirs is imported before it is asked for."""
