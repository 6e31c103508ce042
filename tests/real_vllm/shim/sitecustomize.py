"""Lets torchvision's CUDA build be imported beside a torch without CUDA, for tests on a CPU.

There its compiled operators cannot be loaded, and `torchvision._meta_registrations` then fails because it
describes operators that do not exist. Naming them first is enough: nothing here calls them, since the
transforms that processors use are plain torch. On the path of every Python that sees this folder.
"""

import importlib.abc
import sys

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class Operators(importlib.abc.MetaPathFinder):
    """Finds nothing itself: it declares the operators just before they are described."""

    library = None

    def find_spec(self, name, path=None, target=None):
        """Declare the operators that are missing when their descriptions are about to be imported."""
        if name == "torchvision._meta_registrations" and self.library is None:
            import torch

            self.library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in SCHEMAS:
                if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
                    self.library.define(schema)


sys.meta_path.insert(0, Operators())
