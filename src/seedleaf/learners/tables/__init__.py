"""Learning from tables: features, models and their ONNX graphs, cross-validation as steps, a small ensemble at the end."""
