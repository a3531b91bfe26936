"""Frees the batch dimension of an ONNX network that was exported for one row: 27 rows then cost little more than one.

An ONNX file is a protocol buffer: fields of (number, kind, content), messages within messages. Only the shapes of the
graph's inputs and outputs are rewritten, so that neither the onnx package nor a second copy of the data is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# ModelProto.graph; its inputs and outputs; their type; tensor type; shape; dimension (onnx.proto3).
_TO_DIMENSION: tuple[frozenset[int], ...] = tuple(map(frozenset, ({7}, {11, 12}, {2}, {1}, {2}, {1})))
_FREE = b"\x12\x01N"  # dim_param = "N"


def free_batch(model: bytes, path: Sequence[frozenset[int]] = _TO_DIMENSION) -> bytes:
    """`model` with the first dimension of every input and output named "N" instead of fixed."""
    parts, done = [], False
    for number, head, content in _fields(model):
        if number in path[0] and not done:
            # Of the dimensions the first is the batch; of everything above them all are visited.
            done = len(path) == 1
            content = _FREE if done else free_batch(content, path[1:])
            head = head[:1] + _varint(len(content))
        parts += [head, content]
    return b"".join(parts)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, the bytes before the content, content) of every field. ValueError for what is no protocol buffer."""
    at = 0
    while at < len(message):
        begun = at
        key, at = _read(message, at)
        kind = key & 7
        if kind == 2:
            size, at = _read(message, at)
        elif kind == 0:
            size = _read(message, at)[1] - at
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"not an ONNX file: a field of kind {kind}")
        yield key >> 3, message[begun:at], message[at : at + size]
        at += size


def _read(message: bytes, at: int) -> tuple[int, int]:
    """(the number that is written from byte `at` on, the byte after it)."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
