"""What is added to ultralytics' losses: a pull on joints from afar, and heat maps that are thrown away."""

from __future__ import annotations

from typing import TypeAlias

import torch

Tensor: TypeAlias = torch.Tensor

SOFT = 0.01
"""Squared distance, in the units of the similarity, below which the pull from afar fades."""


class JointLoss(torch.nn.Module):  # type: ignore[misc]
    """One minus the object keypoint similarity (OKS), and a term that grows with the distance.

    The similarity alone is flat far from the truth, where an untrained network's joints are. Takes the place
    of ultralytics' loss of joints and its arguments: places (n, 17, 2 or 3) in cells, masks (n, 17) and the
    areas (n, 1) of the boxes.
    """

    def __init__(self, sigmas: Tensor, far: float) -> None:
        super().__init__()
        self.variances = (2.0 * sigmas) ** 2
        self.far = far

    def forward(self, found: Tensor, true: Tensor, known: Tensor, area: Tensor) -> Tensor:
        """Return the mean over figures of the mean over their known joints."""
        squared = (found[..., :2] - true[..., :2]).square().sum(-1)
        relative = squared / (2.0 * self.variances * area.clamp_min(1e-9))
        unlike = 1.0 - torch.exp(-relative)
        distant = (relative + SOFT).sqrt() - SOFT**0.5
        losses = (unlike + self.far * distant) * known
        count = known.sum(1, keepdim=True).clamp_min(1)
        return (losses / count).sum(1).mean()


class Heatmaps(torch.nn.Module):  # type: ignore[misc]
    """A map for each joint from features of an eighth of the picture: a dense lesson for the layers below."""

    BLUR = 1.0
    PEAK = 20.0

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.maps = torch.nn.Conv2d(width, joints, 1)
        torch.nn.init.normal_(self.maps.weight, std=0.01)
        torch.nn.init.zeros_(self.maps.bias)

    def forward(self, features: Tensor, joints: Tensor) -> Tensor:
        """Return the loss for joints (batch, 17, 3) in shares of the picture: x, y, known or not."""
        found = self.maps(features).float()
        rows, columns = found.shape[2:]
        across = torch.arange(columns) + 0.5 - joints[..., 0:1] * columns
        down = torch.arange(rows) + 0.5 - joints[..., 1:2] * rows
        bell = torch.exp(-across.square() / (2 * self.BLUR**2))[:, :, None, :]
        bell = bell * torch.exp(-down.square() / (2 * self.BLUR**2))[:, :, :, None]
        wanted = bell * joints[..., 2, None, None]
        loss: Tensor = ((found - wanted).square() * (1.0 + self.PEAK * wanted)).mean()
        return loss
