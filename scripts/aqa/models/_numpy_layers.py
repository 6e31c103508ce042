"""The few functions that networks are made of, on arrays of 32-bit floats."""

from __future__ import annotations

import math

import numpy as np

from aqa.models._numpy_tensors import Array, Tensors


class Linear:
    """A linear layer: `weights` (outputs, inputs) and, if the tensors have one, a bias (outputs)."""

    def __init__(self, tensors: Tensors, *names: str) -> None:
        """Take one layer, or several of the same input side by side."""
        self.weights = np.concatenate([tensors(f"{name}.weight") for name in names])
        biases = [tensors(f"{name}.bias") for name in names if f"{name}.bias" in tensors]
        self.bias = np.concatenate(biases) if biases else None

    def __call__(self, x: Array) -> Array:
        """Apply it to the last dimension."""
        result: Array = x @ self.weights.T
        return result if self.bias is None else result + self.bias


class LayerNorm:
    """Layer normalisation over the last dimension."""

    def __init__(self, tensors: Tensors, name: str, epsilon: float = 1e-6) -> None:
        self.weights, self.bias = tensors(f"{name}.weight"), tensors(f"{name}.bias")
        self.epsilon = np.float32(epsilon)

    def __call__(self, x: Array) -> Array:
        """Apply it."""
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt(np.square(centred).mean(-1, keepdims=True) + self.epsilon)
        result: Array = centred / scale * self.weights + self.bias
        return result


class RMSNorm:
    """Normalisation by the root mean square of the last dimension."""

    def __init__(self, tensors: Tensors, name: str, epsilon: float) -> None:
        self.weights = tensors(f"{name}.weight")
        self.epsilon = np.float32(epsilon)

    def __call__(self, x: Array) -> Array:
        """Apply it."""
        result: Array = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + self.epsilon) * self.weights
        return result


def softmax(x: Array) -> Array:
    """Return the softmax over the last dimension; `x` is overwritten."""
    x -= x.max(-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(-1, keepdims=True)
    return x


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    """Rotate pairs of the last dimension (its first half with its second), by position."""
    half = x.shape[-1] // 2
    turned: Array = np.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    result: Array = x * cos + turned * sin
    return result


def gelu(x: Array) -> Array:
    """Return the exact Gaussian error linear unit."""
    from scipy.special import erf

    share = np.asarray(erf(x * np.float32(math.sqrt(0.5))), np.float32)
    return x * np.float32(0.5) * (1 + share)


def gelu_tanh(x: Array) -> Array:
    """Return the Gaussian error linear unit in its form with tanh."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    result: Array = np.float32(0.5) * x * (1 + np.tanh(inner))
    return result


def silu(x: Array) -> Array:
    """Return x times its logistic function."""
    result: Array = x / (1 + np.exp(-x))
    return result


ACTIVATIONS = {"gelu": gelu, "gelu_pytorch_tanh": gelu_tanh, "silu": silu}
"""Activation functions under their names in configurations."""
