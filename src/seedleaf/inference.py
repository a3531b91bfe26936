"""ONNX Runtime, set up alike wherever a model is run or timed. Whoever imports this imports ONNX Runtime."""

from __future__ import annotations

import onnxruntime as ort

ERRORS = 3  # what ONNX Runtime logs: nothing less grave


def single_thread(model: bytes) -> ort.InferenceSession:
    """A session over a serialised model, on one thread of the CPU. Raises what ONNX Runtime does where it refuses it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
