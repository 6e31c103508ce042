"""The datasets: one folder each, found by its `metadata.yaml`; nothing outside such a folder names one."""

from aqa.datasets.base import (
    Access,
    Adapter,
    Metadata,
    Noun,
    Setting,
    Settings,
    TaskWording,
    Wording,
    resolve_settings,
)
from aqa.datasets.discover import (
    Dataset,
    dataset_ids,
    load_adapter,
    load_metadata,
    load_wording,
    resolve,
)

__all__ = [
    "Access",
    "Adapter",
    "Dataset",
    "Metadata",
    "Noun",
    "Setting",
    "Settings",
    "TaskWording",
    "Wording",
    "dataset_ids",
    "load_adapter",
    "load_metadata",
    "load_wording",
    "resolve",
    "resolve_settings",
]
