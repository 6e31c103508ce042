"""How frames become a video file; light, because it is part of what identifies an answer."""

X264 = {"preset": "veryfast", "crf": "18", "bf": "0", "flags": "+bitexact"}
"""Options of libx264: close to transparent, deterministic."""
