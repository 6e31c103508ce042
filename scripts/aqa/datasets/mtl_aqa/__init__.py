"""MTL-AQA: execution scores of dives (Parmar and Morris, CVPR 2019)."""
