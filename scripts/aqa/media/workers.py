"""Processes that make clips: one thread each, and a decoder that crashes costs one clip."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for

import cv2

from aqa.media import passes
from aqa.media.clips import Task, alone, broken
from aqa.records import Clip

Done = tuple[Task, list[Clip]]
"""A task and its clips, in the order of its wants."""


def run_tasks(tasks: Sequence[Task], workers: int) -> Iterator[Done]:
    """Run tasks in processes and yield them with their clips as they finish.

    A decoder that crashes takes its process along: then the tasks that were under way are run one by
    one, and a clip that crashes alone is broken; all the others are made.
    """
    waiting = list(tasks)
    while waiting:
        unfinished: list[Task] = []
        yield from _in_parallel(waiting, workers, unfinished)
        suspects, waiting = unfinished[:workers], unfinished[workers:]
        for task in suspects:
            yield from _isolated(task)


def _in_parallel(tasks: Sequence[Task], workers: int, unfinished: list[Task]) -> Iterator[Done]:
    """Yield results; after a crash, leave the tasks without one, in order, in `unfinished`."""
    with _pool(min(workers, len(tasks))) as pool:
        futures: dict[Future[list[Clip]], Task] = {}
        left = iter(tasks)
        crashed = False
        try:
            while True:
                while not crashed and len(futures) < workers and (task := next(left, None)) is not None:
                    futures[pool.submit(passes.make, task)] = task
                if not futures:
                    break
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    task = futures.pop(future)
                    try:
                        yield task, future.result()
                    except BrokenProcessPool:
                        crashed = True
                        unfinished.append(task)
            unfinished.extend(left)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _isolated(task: Task) -> Iterator[Done]:
    """Run a task in a process of its own; if it crashes, each of its clips in one."""
    try:
        with _pool(1) as pool:
            yield task, pool.submit(passes.make, task).result()
            return
    except BrokenProcessPool:
        pass
    if len(task.wants) == 1:
        yield task, [broken(task.wants[0].sample_id, "the decoder crashed on this file")]
        return
    for part in alone(task):
        yield from _isolated(part)


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aqa.media.passes"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    """Set up a process: one thread, silent libraries, dies of Ctrl-C without a word and with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cv2.setNumThreads(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def die() -> None:
            wait_for([sentinel])
            os._exit(1)

        threading.Thread(target=die, daemon=True).start()
