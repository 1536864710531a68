"""The attention of operator set 23, as the layers it stands for."""

from __future__ import annotations

from collections.abc import Mapping

from axhw.errors import AxhwError
from axhw.nn.layers.products import MatMul
from axhw.nn.layers.softmax import Softmax
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.shaping import transposed
from axhw.nn.onnx_import.values import Tensor, Value

_TOKENS_AND_HEADS_SWAPPED = (0, 2, 1, 3)


def _attention(call: Call) -> tuple[Value, ...]:
    operation = call.operation
    extras = any(call.given(index) for index in range(3, len(call.inputs))) or any(operation.outputs[1:])
    window = max(operation.integer(name, -1) for name in ("left_window_size", "right_window_size"))
    if extras or operation.integer("is_causal", 0) or operation.real("softcap", 0.0) or window >= 0:
        raise AxhwError("Expected an attention of all tokens to all, found a mask, a window, a cache or a cap.")
    tensors = [call.tensor(index) for index in range(3)]
    rank = len(tensors[0].shape)
    if rank == 3:
        heads = [operation.integer(name, 1) for name in ("q_num_heads", "kv_num_heads", "kv_num_heads")]
        tensors = [_with_heads(call.part(role), x, count) for role, x, count in zip("qkv", tensors, heads)]
    query, key, value = (call.leave_out(tensor, 0) for tensor in tensors)
    if query.shape[1] != key.shape[1]:
        raise AxhwError(f"Expected a key for each of the {query.shape[1]} heads, found {key.shape[1]}.")
    turned = transposed(call.part("keys"), key, (0, 1, 3, 2))
    scores_shape = (*query.shape[:-1], key.shape[-2])
    layer = MatMul(scale=operation.real("scale", query.shape[-1] ** -0.5))
    scores = call.part("scores").add(layer, query, turned, shape=scores_shape, unit=0)
    shares = call.part("softmax").apply(Softmax(), scores)
    mix = call.add(MatMul(), shares, value, shape=(*query.shape[:-1], value.shape[-1]), unit=0)
    if rank == 4:
        return (mix,)
    rows = transposed(call.part("rows"), mix, _TOKENS_AND_HEADS_SWAPPED)
    return (call.reshape(rows, (*rows.shape[:2], rows.shape[2] * rows.shape[3])),)


def _with_heads(call: Call, x: Tensor, heads: int) -> Tensor:
    """Tokens [1, T, D] as [1, heads, T, D / heads]."""
    batch, tokens, features = x.shape
    if features % heads:
        raise AxhwError(f"Expected features in multiples of the {heads} heads, found {features}.")
    split = call.reshape(x, (batch, tokens, heads, features // heads))
    return transposed(call, split, _TOKENS_AND_HEADS_SWAPPED)


HANDLERS: Mapping[str, Handler] = {"Attention": _attention}
