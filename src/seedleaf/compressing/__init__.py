"""The story of `seedleaf compress`, from a model and a bound to a lighter model, and `replay`."""
