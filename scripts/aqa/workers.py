"""Work in parallel processes; results come back in the order of the jobs."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait
from typing import TypeVar

import cv2

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


def run_jobs(
    work: Callable[[JobT], ResultT], jobs: Sequence[JobT], workers: int, label: str
) -> list[ResultT]:
    """Return `work(job)` for each job, in order.

    Args:
        work: A module's function; it and the jobs must be picklable.
        jobs: The longest first keeps all workers busy to the end.
        workers: How many processes; 1 works in this one.
        label: What the progress line on a terminal says.
    """
    results: dict[int, ResultT] = {}
    if workers <= 1 or len(jobs) <= 1:
        cv2.setNumThreads(1)
        for index, job in enumerate(jobs):
            results[index] = work(job)
            _progress(label, len(results), len(jobs))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(jobs)), context, _start_worker) as pool:
            futures = {pool.submit(work, job): index for index, job in enumerate(jobs)}
            try:
                for future in as_completed(futures):
                    results[futures[future]] = future.result()
                    _progress(label, len(results), len(jobs))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [results[index] for index in range(len(jobs))]


def _start_worker() -> None:
    cv2.setNumThreads(1)
    end_with_parent()


def end_with_parent() -> None:
    """Let this process end when the one that started it does, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def die() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=die, daemon=True).start()


def _progress(label: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{label}: {done}/{total}", end=end, file=sys.stderr, flush=True)
