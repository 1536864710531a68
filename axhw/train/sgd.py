"""Stochastic gradient descent with Nesterov momentum whose whole state is tensors on the device.

PyTorch's own optimisers take the learning rate from the host, which a recorded CUDA graph can't change, and keep their
state in objects that only pickle can store.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch


class Sgd:
    """velocity = momentum * velocity + gradient; parameter -= rate * (gradient + momentum * velocity).

    Parameters
    ----------
    parameters : mapping of str to tensor
        Those that require gradients are trained. Weight decay is for arrays of two and more axes: not for biases and
        norms.
    momentum, weight_decay : float
    largest_gradient : float or None
        Gradients of a larger norm, all together, are scaled down to it.
    """

    def __init__(
        self,
        parameters: Mapping[str, torch.Tensor],
        *,
        momentum: float,
        weight_decay: float,
        largest_gradient: float | None = None,
    ) -> None:
        trained = {name: tensor for name, tensor in parameters.items() if tensor.requires_grad}
        self._parameters = list(trained.values())
        self._decayed = [tensor for tensor in self._parameters if tensor.ndim > 1]
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._largest_gradient = largest_gradient
        self.velocity = {name: torch.zeros_like(tensor) for name, tensor in trained.items()} if momentum else {}
        device = self._parameters[0].device
        self._rate = torch.zeros((), device=device)

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next steps."""
        self._rate.fill_(rate)

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter along its gradient."""
        with torch.no_grad():
            gradients = [parameter.grad for parameter in self._parameters]
            if self._largest_gradient is not None:
                norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
                torch._foreach_mul_(gradients, torch.clamp(self._largest_gradient / norm, max=1.0))
            if self._weight_decay and self._decayed:
                torch._foreach_add_(
                    [parameter.grad for parameter in self._decayed], self._decayed, alpha=self._weight_decay
                )
            update = gradients
            if self.velocity:
                velocity = list(self.velocity.values())
                torch._foreach_mul_(velocity, self._momentum)
                torch._foreach_add_(velocity, gradients)
                update = torch._foreach_add(gradients, velocity, alpha=self._momentum)
            torch._foreach_mul_(update, self._rate)
            torch._foreach_sub_(self._parameters, update)
