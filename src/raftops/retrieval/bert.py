"""A sentence encoder of the BERT family to ONNX, from its safetensors and its configuration: no torch, no tracing.

Covers what most sentence encoders are: BERT, RoBERTa and XLM-RoBERTa with absolute positions, mean or first-token
pooling, below the two gigabytes of one ONNX file. Anything else is left to `raftops.retrieval.export`, which has torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors import SafetensorError, safe_open

Weights = dict[str, npt.NDArray[np.float32]]
PADDING = {"bert": None, "roberta": 1, "xlm-roberta": 1}
"""Families, and the usual id of the padding where positions begin behind it and count real tokens only."""
UNUSED = ("pooler.", "embeddings.position_ids", "embeddings.token_type_ids")
INPUTS = ("input_ids", "attention_mask")
OPSET = 17
MOST_BYTES = 2**31 - 2**24


def is_bert(config: dict[str, Any]) -> bool:
    """Whether a model's configuration is one that `write_bert` knows to the letter."""
    usual = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    return config.get("model_type") in PADDING and all(config.get(key, value) == value for key, value in usual.items())


def write_bert(folder: Path, config: dict[str, Any], pooling: str, out: Path) -> int:
    """Write the graph from token ids and mask to unit vectors; returns their dimension.

    Raises:
        ValueError: the weights are not those of the family, or too many for one file.
    """
    graph = _Graph(_weights(folder), config.get("layer_norm_eps", 1e-12))
    x, mask = graph.encoder(config, pairs=False)
    graph.unit(graph.first(x) if pooling == "cls" else graph.mean(x, mask))
    graph.refuse_what_is_left()
    hidden = int(config["hidden_size"])
    onnx.save(graph.model("vectors", ["batch", hidden], INPUTS), out)
    return hidden


def write_cross_encoder(folder: Path, config: dict[str, Any], learned: Weights, scale: float, out: Path) -> None:
    """Write the graph from the ids, types and mask of pairs to one score each: mean of the last layer, linear head.

    `learned` holds `head.weight`, `head.bias` and, for any linear layer of the encoder, `NAME.lora_A` and
    `NAME.lora_B`, which are merged here: `W + scale * B A`.

    Raises:
        ValueError: the weights are not those of the family, or what was learned belongs to another encoder.
    """
    weights = _weights(folder)
    merge(weights, learned, scale)
    graph = _Graph(weights, config.get("layer_norm_eps", 1e-12))
    x, mask = graph.encoder(config, pairs=True)
    graph.score(graph.mean(x, mask), learned["head.weight"], learned["head.bias"])
    graph.refuse_what_is_left()
    onnx.save(graph.model("scores", ["batch"], (*INPUTS, "token_type_ids")), out)


def merge(weights: Weights, learned: Weights, scale: float) -> None:
    """Add each product of two low-rank matrices to the layer that it was learned for."""
    names = {name.rpartition(".")[0] for name in learned if not name.startswith("head.")}
    for name in sorted(names):
        down, up = learned.get(f"{name}.lora_A"), learned.get(f"{name}.lora_B")
        layer = weights.get(f"{name}.weight")
        if layer is None or down is None or up is None or (up.shape[0], down.shape[1]) != layer.shape:
            raise ValueError(f"{name} was learned for another encoder")
        weights[f"{name}.weight"] = layer + np.float32(scale) * (up.astype(np.float32) @ down.astype(np.float32))


def _weights(folder: Path) -> Weights:
    """The weights in 32 bits, named from `embeddings.` and `encoder.` on."""
    try:
        with safe_open(folder / "model.safetensors", "np") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except (OSError, SafetensorError, TypeError) as error:  # TypeError: numpy has no bf16
        raise ValueError(f"model.safetensors: {error}") from error
    if sum(tensor.size for tensor in found.values()) * 4 > MOST_BYTES:
        raise ValueError("more than 2 GB of weights")
    before = next((name.partition("embeddings.")[0] for name in found if name.endswith("word_embeddings.weight")), "")
    return {name.removeprefix(before): tensor.astype(np.float32) for name, tensor in found.items()}


class _Graph:
    """Nodes and constants on their way to a model. Takes out of `weights` what it uses."""

    def __init__(self, weights: Weights, epsilon: float) -> None:
        self.weights = weights
        self._epsilon = epsilon
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def take(self, name: str) -> npt.NDArray[np.float32]:
        if name not in self.weights:
            raise ValueError(f"no weights {name}")
        return self.weights.pop(name)

    def weight(self, name: str) -> str:
        return self.constant(self.take(name))

    def add(self, x: str, y: str) -> str:
        return self.node("Add", x, y)

    def refuse_what_is_left(self) -> None:
        """A weight that no node took belongs to another architecture."""
        if left := sorted(name for name in self.weights if not name.startswith(UNUSED)):
            raise ValueError(f"weights that its family does not have: {', '.join(left[:3])}")

    def encoder(self, config: dict[str, Any], pairs: bool) -> tuple[str, str]:
        """Token ids and mask, and for pairs the types of the tokens, to the last layer; and the mask as numbers."""
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        usual = PADDING[config["model_type"]]
        places = self.positions(None if usual is None else config.get("pad_token_id", usual))
        table = self.take("embeddings.position_embeddings.weight")
        kinds = self.take("embeddings.token_type_embeddings.weight")
        if not pairs:  # the only token type is a constant: it is added to the table of positions
            table = table + kinds[0]
        words = self.node("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        x = self.add(words, self.node("Gather", self.constant(table), places))
        if pairs:
            x = self.add(x, self.node("Gather", self.constant(kinds), "token_type_ids"))
        x = self.norm(x, "embeddings.LayerNorm")
        mask = self.node("Cast", "attention_mask", to=TensorProto.FLOAT)
        # What is masked gets the lowest number before the softmax, as in transformers.
        absent = self.node("Unsqueeze", self.node("Sub", self.constant(np.float32(1)), mask), self.constant([1, 2]))
        bias = self.node("Mul", absent, self.constant(np.finfo(np.float32).min))
        for layer in (f"encoder.layer.{number}" for number in range(config["num_hidden_layers"])):
            seen = self.attention(x, bias, f"{layer}.attention", heads, hidden)
            x = self.norm(self.add(seen, x), f"{layer}.attention.output.LayerNorm")
            inner = self.gelu(self.linear(x, f"{layer}.intermediate.dense"))
            x = self.norm(self.add(self.linear(inner, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm")
        return x, mask

    def positions(self, pad: int | None) -> str:
        """0, 1, 2, ... or, behind the padding's id, the number of each real token."""
        if pad is None:
            length = self.node("Gather", self.node("Shape", "input_ids"), self.constant(np.int64(1)))
            return self.node("Range", self.constant(np.int64(0)), length, self.constant(np.int64(1)))
        padding = self.node("Equal", "input_ids", self.constant(np.int64(pad)))
        real = self.node("Cast", self.node("Not", padding), to=TensorProto.INT64)
        counted = self.node("Mul", self.node("CumSum", real, self.constant(np.int64(1))), real)
        return self.add(counted, self.constant(np.int64(pad)))

    def linear(self, x: str, name: str) -> str:
        turned = self.constant(np.ascontiguousarray(self.take(f"{name}.weight").T))
        return self.add(self.node("MatMul", x, turned), self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=self._epsilon)

    def attention(self, x: str, bias: str, name: str, heads: int, hidden: int) -> str:
        split, joined = self.constant([0, 0, heads, hidden // heads]), self.constant([0, 0, hidden])
        query, key, value = (
            self.node("Transpose", self.node("Reshape", self.linear(x, f"{name}.self.{part}"), split), perm=order)
            for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))
        )
        scale = self.constant(np.float32((hidden // heads) ** -0.5))
        scores = self.add(self.node("Mul", self.node("MatMul", query, key), scale), bias)
        seen = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        together = self.node("Reshape", self.node("Transpose", seen, perm=[0, 2, 1, 3]), joined)
        return self.linear(together, f"{name}.output.dense")

    def gelu(self, x: str) -> str:
        error = self.node("Erf", self.node("Div", x, self.constant(np.float32(2**0.5))))
        raised = self.node("Mul", x, self.add(error, self.constant(np.float32(1))))
        return self.node("Mul", raised, self.constant(np.float32(0.5)))

    def first(self, x: str) -> str:
        return self.node("Gather", x, self.constant(np.int64(0)), axis=1)

    def mean(self, x: str, mask: str) -> str:
        wide = self.node("Unsqueeze", mask, self.constant([2]))
        total = self.node("ReduceSum", self.node("Mul", x, wide), self.constant([1]), keepdims=0)
        count = self.node("ReduceSum", wide, self.constant([1]), keepdims=0)
        return self.node("Div", total, self.node("Max", count, self.constant(np.float32(1e-9))))

    def unit(self, x: str) -> str:
        length = self.node("Max", self.node("ReduceL2", x, axes=[1], keepdims=1), self.constant(np.float32(1e-12)))
        return self.node("Div", x, length, name="vectors")

    def score(self, x: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> str:
        """One number a row."""
        turned = self.constant(weight.astype(np.float32).reshape(-1, 1))
        logits = self.add(self.node("MatMul", x, turned), self.constant(bias.astype(np.float32).reshape(1)))
        return self.node("Squeeze", logits, self.constant([1]), name="scores")

    def model(self, output: str, shape: list[str | int], names: tuple[str, ...]) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self._nodes, "encoder", inputs, outputs, self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
