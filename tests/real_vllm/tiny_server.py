"""A model's file for the tiny Qwen3-VL behind a real vLLM on the CPU."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import tiny_qwen3vl

SHIM = Path(__file__).parent / "shim"

COMMAND = (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
"""`vllm serve` asks for a distribution named vllm; the build for the CPU has another name."""

ENVIRONMENT = {
    "PYTHONPATH": str(SHIM),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}

SERVE = {
    "enforce-eager": True,
    "kv-cache-memory-bytes": 128 << 20,
    "max-num-seqs": 16,
    "limit-mm-per-prompt": {"image": 16, "video": 3},
    "max-model-len": 8192,
    "structured-outputs-config": {"backend": "xgrammar", "disable_any_whitespace": True},
}


def options(weights: Path, serve: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return `options` of a model's file."""
    return {
        "model": str(weights),
        "command": list(COMMAND),
        "environment": ENVIRONMENT,
        "serve": {**SERVE, **(serve or {})},
        "start_s": 300,
        **more,
    }


def make(folder: Path, *arguments: str) -> Path:
    """Write the tiny network's weights in a process of its own, where the shim works from the start."""
    import os
    import subprocess

    command = [sys.executable, tiny_qwen3vl.__file__, str(folder), *arguments]
    subprocess.run(command, check=True, env={**os.environ, **ENVIRONMENT}, capture_output=True)
    return folder
