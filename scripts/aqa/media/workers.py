"""Processes that work on clips: one thread each, and a library that crashes costs one clip."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2

from aqa.workers import end_with_parent

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Work(Generic[TaskT, ResultT]):
    """What processes do with a task.

    `make` returns one result a want; it and its module are loaded before processes fork. `alone` splits a
    task into tasks of one want each. `crashed` returns the results of such a task whose process died.
    """

    make: Callable[[TaskT], list[ResultT]]
    alone: Callable[[TaskT], Sequence[TaskT]]
    crashed: Callable[[TaskT], list[ResultT]]

    def run(self, tasks: Sequence[TaskT], workers: int) -> Iterator[tuple[TaskT, list[ResultT]]]:
        """Run tasks in processes and yield each with its results as it finishes.

        A library that crashes takes its process along: then the tasks that were under way are run one by
        one, and a want that crashes alone gets the results of `crashed`; all the others are made.
        """
        waiting = list(tasks)
        while waiting:
            unfinished: list[TaskT] = []
            yield from self._in_parallel(waiting, workers, unfinished)
            suspects, waiting = unfinished[:workers], unfinished[workers:]
            for task in suspects:
                yield from self._isolated(task)

    def _in_parallel(
        self, tasks: Sequence[TaskT], workers: int, unfinished: list[TaskT]
    ) -> Iterator[tuple[TaskT, list[ResultT]]]:
        """Yield results; after a crash, leave the tasks without one, in order, in `unfinished`."""
        with self._pool(min(workers, len(tasks))) as pool:
            futures: dict[Future[list[ResultT]], TaskT] = {}
            left = iter(tasks)
            crashed = False
            try:
                while True:
                    while not crashed and len(futures) < workers and (task := next(left, None)) is not None:
                        futures[pool.submit(self.make, task)] = task
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

    def _isolated(self, task: TaskT) -> Iterator[tuple[TaskT, list[ResultT]]]:
        """Run a task in a process of its own; if it crashes, each of its wants in one."""
        try:
            with self._pool(1) as pool:
                yield task, pool.submit(self.make, task).result()
                return
        except BrokenProcessPool:
            pass
        parts = self.alone(task)
        if len(parts) == 1:
            yield task, self.crashed(task)
            return
        for part in parts:
            yield from self._isolated(part)

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([self.make.__module__])
        return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    """Set up a process: one thread, silent libraries, dies of Ctrl-C without a word and with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cv2.setNumThreads(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    end_with_parent()
