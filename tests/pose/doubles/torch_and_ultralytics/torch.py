"""The little of PyTorch that the ultralytics adapter uses itself, on a machine without a GPU."""

__version__ = "0.0+double"


class cuda:
    @staticmethod
    def is_available() -> bool:
        return False


def set_num_threads(count: int) -> None:
    assert count == 1, "one thread a job"


def manual_seed(seed: int) -> None:
    assert isinstance(seed, int)
