"""Rendered human movement with exact ground truth: the renderer behind the embedded benchmark.

Shaded, articulated figures with COCO-17 joints, drawn with numpy and OpenCV. The package knows no
dataset; what moves, and which faults it shows, is decided by the dataset folders.

World coordinates are metres, right-handed: y is up and y = 0 is the floor (or the water), a figure at
rest faces +z, and its left is +x. Arrays run over frames first.
"""

from __future__ import annotations

VERSION = "1"
"""Version of the generator: raised whenever the same seed would give other files."""
