"""Building one ONNX graph from numpy arrays. Every fitted part adds its own nodes and hands back the name of its output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from seedleaf.data.tables.written import CELLS
from seedleaf.errors import TrialError
from seedleaf.learners.tables.packed import serialised
from seedleaf.learners.tables.rounded import in_bytes

Array = npt.NDArray[Any]

# ONNX 1.18, which ONNX Runtime understands since 1.20; TreeEnsemble 5 takes a third of the room of the older operator.
OPSET, ML_OPSET, IR = 21, 5, 10
NUMBERS, TEXTS = "numbers", "texts"  # the inputs: double (N, numbers) with NaN = missing, string (N, texts)
ML = "ai.onnx.ml"
CONTRIB = "com.microsoft"  # part of every ONNX Runtime: cutting into letters is no operator of ONNX itself
KINDS = {
    "float64": TensorProto.DOUBLE,
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint16": TensorProto.UINT16,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "bool": TensorProto.BOOL,
}


@dataclass
class Graph:
    """A graph under construction. `add` and `constant` return names; equal constants are stored once."""

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    uses_numbers: bool = False
    uses_texts: bool = False
    _known: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)
    _count: int = 0

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    @property
    def numbers(self) -> str:
        self.uses_numbers = True
        return NUMBERS

    @property
    def texts(self) -> str:
        self.uses_texts = True
        return TEXTS

    def constant(self, values: object, dtype: str = "float64") -> str:
        """The name of an initializer of these values."""
        array = np.ascontiguousarray(np.asarray(values, dtype=dtype)).reshape(np.asarray(values).shape)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name = self._name()
            self.constants[name] = numpy_helper.from_array(array, name)
        return self._known[key]

    def forget(self, name: str) -> None:
        """Leave out a constant that nothing uses."""
        del self.constants[name]
        self._known = {key: known for key, known in self._known.items() if known != name}

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One node with one output, whose name is returned."""
        out = self._name()
        self.nodes.append(helper.make_node(op, list(inputs), [out], domain=domain, **attributes))
        return out

    @property
    def size(self) -> int:
        """Bytes of what it holds, within a few of what they take in a file."""
        parts = [*self.nodes, *self.constants.values()]
        return sum(4 + part.ByteSize() for part in parts)

    # --- what is needed often ---

    def cast(self, x: str, dtype: str) -> str:
        return self.add("Cast", x, to=KINDS[dtype])

    def gather(self, x: str, columns: Sequence[int]) -> str:
        """Columns of a matrix, (N, len(columns))."""
        return self.add("Gather", x, self.constant(list(columns), "int64"), axis=1)

    def affine(self, x: str, shift: Array, scale: Array, dtype: str = "float64") -> str:
        """(x - shift) * scale."""
        moved = self.add("Sub", x, self.constant(shift, dtype))
        return self.add("Mul", moved, self.constant(scale, dtype))

    def dense(
        self, x: str, weight: Array, bias: Array | None = None, dtype: str = "float32", small: bool = False
    ) -> str:
        """x @ weight + bias, weight (in, out). `small`: the weight is what `as_bytes` made, one byte each in the file."""
        w = self.small(weight, dtype) if small else self.constant(weight, dtype)
        if bias is not None and np.ndim(bias) == 1 and np.ndim(weight) == 2 and dtype == "float32":
            return self.add("Gemm", x, w, self.constant(bias, dtype))
        out = self.add("MatMul", x, w)
        return out if bias is None else self.add("Add", out, self.constant(bias, dtype))

    def small(self, weight: Array, dtype: str = "float32") -> str:
        """A weight that `as_bytes` made, one byte each in the file."""
        whole, scale = in_bytes(weight)
        return self.add("Mul", self.cast(self.constant(whole, "int8"), dtype), self.constant(scale, dtype))

    def text(self, *values: str) -> str:
        """The name of an initializer of strings: one as a scalar, several as a vector."""
        key = ("text", (len(values),), "\0".join(values).encode("utf-8", "replace"))
        if key not in self._known:
            self._known[key] = name = self._name()
            dims = [] if len(values) == 1 else [len(values)]
            cells = [v.encode("utf-8", "replace") for v in values]
            tensor = TensorProto(name=name, data_type=TensorProto.STRING, dims=dims, string_data=cells)
            self.constants[name] = tensor
        return self._known[key]

    def split(self, x: str, separator: str, most: int = 0) -> str:
        """Strings (…) cut at `separator`, at `most` places where that is given: (…, pieces), "" where there are fewer.
        Without a separator it is cut at blanks, those around not counted."""
        out = self._name()
        limit: dict[str, Any] = {"maxsplit": most} if most else {}
        node = helper.make_node("StringSplit", [x], [out, self._name()], delimiter=separator, **limit)
        self.nodes.append(node)
        return out

    def piece(self, pieces: str, place: int) -> str:
        """The piece at that place of each string."""
        return self.add("Gather", pieces, self.constant(place, "int64"), axis=-1)

    def either(
        self,
        condition: str,
        then: Callable[[], Sequence[str]],
        other: Callable[[], Sequence[str]],
        kinds: Sequence[int],
    ) -> list[str]:
        """What `then` makes where the one bool `condition` holds, else what `other` makes: only one of them is run."""
        bodies = []
        for make in (then, other):
            outer, self.nodes = self.nodes, []
            infos = []
            for made, kind in zip(make(), kinds, strict=True):
                name = self._name()
                self.nodes.append(helper.make_node("Identity", [made], [name]))
                infos.append(helper.make_tensor_value_info(name, kind, None))
            bodies.append(helper.make_graph(self.nodes, "branch", [], infos))
            self.nodes = outer
        out = [self._name() for _ in kinds]
        branches = dict(zip(("then_branch", "else_branch"), bodies, strict=True))
        self.nodes.append(helper.make_node("If", [condition], out, **branches))
        return out

    def concat(self, parts: Sequence[str]) -> str:
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def cut(self, x: str, widths: Sequence[int]) -> list[str]:
        """Columns of a matrix, so many in each part. (Several Slice nodes are what ONNX Runtime 1.20 cannot fuse.)"""
        if len(widths) == 1:
            return [x]
        out = [self._name() for _ in widths]
        self.nodes.append(helper.make_node("Split", [x, self.constant(list(widths), "int64")], out, axis=1))
        return out

    def smallest(self, x: str, n: int) -> tuple[str, str]:
        """The `n` smallest of each row (N, n), and where they stand."""
        values, places = self._name(), self._name()
        node = helper.make_node(
            "TopK", [x, self.constant([n], "int64")], [values, places], axis=1, largest=0, sorted=0
        )
        self.nodes.append(node)
        return values, places

    def total(self, x: str, axis: int = 1, keep: bool = True) -> str:
        return self.add("ReduceSum", x, self.constant([axis], "int64"), keepdims=int(keep))

    def mean(self, x: str, axis: int) -> str:
        return self.add("ReduceMean", x, self.constant([axis], "int64"), keepdims=0)

    # --- the whole ---

    def model(
        self,
        outputs: Mapping[str, tuple[str, int, int]],
        n_numbers: int,
        n_texts: int,
        n_cells: int = 0,
        notes: Mapping[str, str] | None = None,
    ) -> bytes:
        """The serialised model; `outputs` maps a public name to (name, element type, width; 0 = one value a row).

        With `n_cells` it takes that many raw cells a row, out of which its nodes make numbers and texts. `notes` go into
        the file's metadata.
        """
        inputs = []
        if n_cells:
            inputs.append(helper.make_tensor_value_info(CELLS, TensorProto.STRING, ["N", n_cells]))
        if self.uses_numbers and not n_cells:
            inputs.append(helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, ["N", n_numbers]))
        if self.uses_texts and not n_cells:
            inputs.append(helper.make_tensor_value_info(TEXTS, TensorProto.STRING, ["N", n_texts]))
        nodes = list(self.nodes)
        infos = []
        for public, (name, kind, width) in outputs.items():
            nodes.append(helper.make_node("Identity", [name], [public]))
            infos.append(helper.make_tensor_value_info(public, kind, ["N", width] if width else ["N"]))
        body = helper.make_graph(nodes, "seedleaf", inputs, infos, list(self.constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        if any(node.domain == CONTRIB for node in nodes):
            opsets.append(helper.make_opsetid(CONTRIB, 1))
        made = helper.make_model(body, opset_imports=opsets, ir_version=IR, producer_name="seedleaf")
        helper.set_model_props(made, dict(notes or {}))
        if made.ByteSize() >= 2**31:
            raise TrialError("the model is too large for a file: over 2 GB")
        return serialised(made)

    def take_in(self, model: bytes, prefix: str) -> str:
        """Add the nodes of another model over the same inputs; the name of its first output."""
        other = onnx.load_from_string(model).graph
        given = {i.name for i in other.input}
        self.uses_numbers |= NUMBERS in given
        self.uses_texts |= TEXTS in given

        def renamed(name: str) -> str:
            return name if not name or name in given else f"{prefix}{name}"

        for tensor in other.initializer:
            tensor.name = renamed(tensor.name)
            self.constants[tensor.name] = tensor
        for node in other.node:
            node.input[:] = [renamed(n) for n in node.input]
            node.output[:] = [renamed(n) for n in node.output]
            self.nodes.append(node)
        return renamed(other.output[0].name)
