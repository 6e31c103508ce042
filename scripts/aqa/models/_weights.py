"""Where a model's weights are, what they are, and that nothing in them is run unasked."""

from __future__ import annotations

import importlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from aqa.errors import UserError
from aqa.files import digest, digest_file

_PATTERNS = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
"""Files that decide what a model answers; nothing else of a repository is fetched, above all no pickle."""

_ROOT = Path(__file__).parents[3]
"""The folder of the workflow: weights that lie in it are found from any working directory."""

_CODE = "*.py"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


class Weights:
    """The weights of a model: a folder, or one commit of a repository on the Hugging Face hub."""

    def __init__(
        self, model: str, revision: str | None, *, code: bool, local_files_only: bool, place: str
    ) -> None:
        self._model = model
        self._revision = revision
        self.code = code
        """The repository's own Python code may run."""
        self._local_files_only = local_files_only
        self._place = place

    @property
    def version(self) -> str:
        """What the answers are recorded under: the commit, or the digest of the files."""
        return self._revision or f"sha256:{self._digest[:16]}"

    def identity(self) -> dict[str, Any]:
        """Return what names the weights; for a folder its content, not its place.

        Raises:
            UserError: the folder is missing, or holds no safetensors weights.
        """
        if self._revision is None:
            return {"weights": self._digest}
        return {"model": self._model, "revision": self._revision, "trust_remote_code": self.code}

    def fetch(self) -> Path:
        """Return a folder that holds the weights; downloads them if need be.

        Raises:
            UserError: they cannot be had, are no safetensors, or would run code.
        """
        folder = self._folder() if self._revision is None else self._download()
        _check(folder, self._place)
        _refuse_foreign_code(folder, self._place)
        return folder

    @cached_property
    def _digest(self) -> str:
        folder = self._folder()
        _check(folder, self._place)
        try:
            return digest({file.name: digest_file(file) for file in _files(folder)})
        except OSError as error:
            raise UserError(f"{self._place}: {folder}: cannot be read ({error.strerror})") from None

    def _folder(self) -> Path:
        folder = Path(self._model).expanduser()
        if not folder.is_dir() and not folder.is_absolute() and (_ROOT / folder).is_dir():
            return _ROOT / folder
        if not folder.is_dir():
            raise UserError(
                f"{self._place}: options.model: no folder '{self._model}'; name a folder with weights, or "
                "give options.revision (a full commit) to take them from the Hugging Face hub"
            )
        return folder

    def _download(self) -> Path:
        hub = importlib.import_module("huggingface_hub")
        try:
            return Path(
                hub.snapshot_download(
                    self._model,
                    revision=self._revision,
                    allow_patterns=[*_PATTERNS, _CODE] if self.code else list(_PATTERNS),
                    ignore_patterns=["*/*"],
                    local_files_only=self._local_files_only,
                )
            )
        except Exception as error:  # Network, names, terms and disks fail in a dozen types.
            cause = " ".join(str(error).split())[:300]
            raise UserError(
                f"{self._place}: {self._model} at {self._revision} cannot be fetched ({cause}); check "
                "options.model and options.revision, accept the model's terms on its page and set HF_TOKEN, "
                "or fetch it beforehand where there is network"
            ) from None


def _files(folder: Path) -> list[Path]:
    return sorted(file for pattern in _PATTERNS for file in folder.glob(pattern))


def _check(folder: Path, place: str) -> None:
    if not (folder / "config.json").is_file():
        raise UserError(f"{place}: {folder}: no config.json; name the folder that a model was saved into")
    if not any(folder.glob("*.safetensors")):
        others = sorted(file.name for end in _PICKLES for file in folder.glob(end))
        found = f" (found {others[0]}, a pickle, which can run code)" if others else ""
        raise UserError(
            f"{place}: {folder}: no safetensors weights{found}; convert them, or use another model"
        )


def _refuse_foreign_code(folder: Path, place: str) -> None:
    """Refuse code of another repository: the commit does not pin it."""
    for file in sorted(folder.glob("*config.json")):
        try:
            values = json.loads(file.read_bytes())
        except ValueError as error:
            raise UserError(f"{place}: {file}: not valid JSON ({error}); fetch the model again") from None
        references = values.get("auto_map") if isinstance(values, dict) else None
        for reference in _texts(references):
            if "--" in reference:
                raise UserError(
                    f"{place}: {file}: takes code from another repository ({reference}), which no commit "
                    "pins; use another model"
                )


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
