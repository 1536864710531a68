"""PyTorch's AdamW with its whole state as tensors by name, so that a checkpoint needs no pickle."""

from __future__ import annotations

import torch
from torch import nn

_BETAS = (0.9, 0.95)
_EMBEDDINGS = ("embedding", "head")


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) with clipped gradients; matrices decay, norms and embeddings don't.

    Parameters
    ----------
    module : Module
    weight_decay, largest_gradient : float
        As in `axhw.train.language.recipe.Recipe`.
    """

    def __init__(self, module: nn.Module, *, weight_decay: float, largest_gradient: float) -> None:
        named = dict(module.named_parameters())
        self._parameters = list(named.values())
        self._largest_gradient = largest_gradient
        on_gpu = self._parameters[0].device.type == "cuda"
        decayed = [tensor for name, tensor in named.items() if tensor.ndim > 1 and name not in _EMBEDDINGS]
        others = [tensor for name, tensor in named.items() if tensor.ndim < 2 or name in _EMBEDDINGS]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
            betas=_BETAS,
            fused=on_gpu,
        )
        self.state: dict[str, torch.Tensor] = {}
        for name, tensor in named.items():
            # What AdamW would make at its first step, made here to be found in checkpoints by name.
            moments = {
                "step": torch.zeros((), device=tensor.device if on_gpu else "cpu"),
                "exp_avg": torch.zeros_like(tensor),
                "exp_avg_sq": torch.zeros_like(tensor),
            }
            self._optimizer.state[tensor] = moments
            self.state |= {f"adamw/{name}/{key}": value for key, value in moments.items()}

    def clear(self) -> None:
        """Forget the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def step(self, rate: float) -> None:
        """Move every parameter along its gradient."""
        torch.nn.utils.clip_grad_norm_(self._parameters, self._largest_gradient)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
