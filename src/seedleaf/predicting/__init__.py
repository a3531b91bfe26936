"""A delivered model opened and asked, with ONNX Runtime and numpy alone: neither torch nor pandas is needed."""
