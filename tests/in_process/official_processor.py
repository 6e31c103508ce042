"""The official processor of Qwen3-VL, in a process that has torchvision: official.npz from clips.npz.

usage: official_processor.py WEIGHTS FOLDER TEXT
"""

import sys
from pathlib import Path

import numpy as np
import torch

try:
    import torchvision  # noqa: F401
except (ImportError, RuntimeError):  # Built for CUDA, beside a torch for the CPU: two operators are missing.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]

from transformers import AutoProcessor

weights, folder, text = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
with np.load(folder / "clips.npz") as clips:
    video, image = clips["video"], clips["image"]
processor = AutoProcessor.from_pretrained(weights, local_files_only=True)
content = [{"type": "video"}, {"type": "image"}, {"type": "text", "text": text}]
prompt = processor.apply_chat_template(
    [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
)
made = processor(
    text=[prompt],
    videos=[torch.from_numpy(video).permute(0, 3, 1, 2)],
    images=[image],
    do_sample_frames=False,
    video_metadata=[{"fps": 4.0, "total_num_frames": len(video), "frames_indices": list(range(len(video)))}],
    return_tensors="np",
)
np.savez(folder / "official.npz", **made)
