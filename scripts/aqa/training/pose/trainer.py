"""The training loop of the pose network: seeded by (seed, step), resumable at any checkpoint, on one core."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import torch

from aqa.errors import UserError
from aqa.training.pose.losses import Heatmaps, JointLoss
from aqa.training.pose.network import FINE, JOINTS, export, model
from aqa.training.pose.pictures import Block
from aqa.training.pose.plan import Plan
from aqa.training.pose.views import View, view
from aqa.training.progress import Means

Tensor: TypeAlias = torch.Tensor
Report: TypeAlias = "Callable[[Trainer, float], None]"

STATE = "state.pt"
MODEL = "model"
NAMES = {
    "box_loss": "box",
    "pose_loss": "joints",
    "kobj_loss": "seen",
    "cls_loss": "sure",
    "dfl_loss": "edges",
}
"""Ultralytics' names of the losses, and ours."""

CLIPPED = 10.0
"""Largest norm of the gradient."""


class Trainer:
    """A network in training; `averaged` is the running mean of its weights, which is what is kept."""

    def __init__(self, plan: Plan, blocks: Sequence[Block]) -> None:
        self.plan, self.recipe = plan, plan.recipe
        self.pools = _pools(blocks)
        weights = np.array([self.recipe.datasets.get(name, 1.0) for name in self.pools])
        self.shares = weights / weights.sum()
        self.model = model(plan.shape, plan.seed).to(memory_format=torch.channels_last).train()
        self.maps = Heatmaps(plan.shape.widths[2], JOINTS)
        self._features: list[Tensor] = []
        self.model.model[FINE].register_forward_hook(lambda _m, _i, out: self._features.append(out))
        recipe = self.recipe
        self.model.args = SimpleNamespace(
            box=recipe.box, cls=recipe.sure, dfl=recipe.edges, pose=recipe.joints, kobj=recipe.seen
        )
        self.criterion = self.model.init_criterion()
        self.criterion.keypoint_loss = JointLoss(self.criterion.keypoint_loss.sigmas, recipe.far)
        parameters = [*self.model.parameters(), *self.maps.parameters()]
        self.parameters = [p for p in parameters if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
                {"params": [p for p in self.parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=recipe.rate,
        )
        self.averaged = copy.deepcopy(self.model.state_dict())
        self.step = 0
        self.means = Means()

    def views(self, step: int) -> list[View]:
        """Return the views of a step; they follow from (seed, step)."""
        rng = np.random.default_rng([self.plan.seed, step])
        sides = (self.recipe.side, self.plan.image_size)
        names = list(self.pools)
        found = []
        for _ in range(self.recipe.batch):
            pool = self.pools[names[int(rng.choice(len(names), p=self.shares))]]
            block, at = pool[int(rng.integers(len(pool)))]
            picture = block.pictures[at]
            found.append(view(block.image(picture), picture, sides, self.plan.variation, rng))
        return found

    def batch(self, views: Sequence[View]) -> dict[str, Tensor]:
        """Return views as ultralytics' losses take them: places as shares of the picture."""
        side = float(self.recipe.side)
        images = np.stack([np.ascontiguousarray(one.image.transpose(2, 0, 1)) for one in views])
        boxes = np.stack([one.box for one in views]) / side
        joints = np.stack([one.joints for one in views]) / [side, side, 1.0]
        middles = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
        pictures = torch.from_numpy(images).float().div_(255.0)
        return {
            "img": pictures.contiguous(memory_format=torch.channels_last),
            "cls": torch.zeros(len(views), 1),
            "bboxes": torch.from_numpy(middles).float(),
            "keypoints": torch.from_numpy(joints).float(),
            "batch_idx": torch.arange(len(views)).float(),
        }

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted losses of a batch."""
        self._features.clear()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.half):
            found = self.model(batch["img"])
        whole = {
            name: value.float() if isinstance(value, torch.Tensor) else [part.float() for part in value]
            for name, value in found.items()
        }
        each, told = self.criterion(whole, batch)
        losses = {NAMES[name]: loss / len(batch["img"]) for name, loss in zip(told, each, strict=True)}
        features = self._features.pop().float()
        losses["maps"] = self.recipe.maps * self.maps(features, batch["keypoints"])
        return losses

    def advance(self) -> None:
        """Do one step."""
        rate = self.recipe.rate * self._pace()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self.losses(self.batch(self.views(self.step)))
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIPPED)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._average()
        self.means.add({name: float(loss.detach()) for name, loss in losses.items()})

    def _pace(self) -> float:
        recipe = self.recipe
        left = (recipe.steps - self.step) / max(recipe.steps, 1)
        return min((self.step + 1) / recipe.warm, 1.0) * max(0.02, left)

    def _average(self) -> None:
        """Move the mean weights a little: over the last few hundred steps, over fewer at the beginning."""
        kept = min(0.998, self.step / (self.step + 10.0))
        now = self.model.state_dict()
        with torch.no_grad():
            for name, mean in self.averaged.items():
                if mean.is_floating_point():
                    mean.lerp_(now[name], 1.0 - kept)
                else:
                    mean.copy_(now[name])

    def run(self, out: Path, report: Report, last: int) -> None:
        """Train up to step `last`; write checkpoints on the way and at the end."""
        while self.step < min(last, self.recipe.steps):
            before = time.monotonic()
            self.advance()
            report(self, time.monotonic() - before)
            if self.step % self.recipe.every == 0:
                self.save(out)
        self.save(out)

    def save(self, out: Path) -> None:
        """Write the network for the pose stage, and the state from which training goes on."""
        out.mkdir(parents=True, exist_ok=True)
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "averaged": self.averaged,
            "maps": self.maps.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "means": self.means.values,
        }
        torch.save(state, out / f".{STATE}")
        (out / f".{STATE}").replace(out / STATE)
        export(out / MODEL, self.plan.shape, self.averaged)

    def load(self, out: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            UserError: it is of a network of another shape.
        """
        state: dict[str, Any] = torch.load(out / STATE, weights_only=True)
        try:
            self.model.load_state_dict(state["model"])
            self.maps.load_state_dict(state["maps"])
        except RuntimeError:
            raise UserError(
                f"{out / STATE}: of another shape than the plan's; train in another folder"
            ) from None
        self.averaged = state["averaged"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.means = Means(dict(state["means"]))


def trainer(plan: Plan, blocks: Sequence[Block], out: Path) -> Trainer:
    """Return a trainer that goes on from the checkpoint in `out`, if there is one."""
    found = Trainer(plan, blocks)
    if (out / STATE).is_file():
        found.load(out)
    return found


def _pools(blocks: Sequence[Block]) -> dict[str, list[tuple[Block, int]]]:
    pools: dict[str, list[tuple[Block, int]]] = {}
    for block in blocks:
        pools.setdefault(block.dataset, []).extend((block, at) for at in range(len(block.pictures)))
    return pools
