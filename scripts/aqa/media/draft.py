"""Clips in the making during one pass over their source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType

import av
import cv2

from aqa.files import digest_file, write_json
from aqa.media.clips import Made, Plan, Result, Task, Want, file_of, made_file
from aqa.media.errors import MediaError
from aqa.media.look import Shot
from aqa.media.store import ClipWriter, clip_writer
from aqa.records import Clip

Loss = Callable[[Plan], MediaError | None]
"""What is wrong with the frames of a clip that a pass has gone through; None if nothing."""


class Draft:
    """A clip in the making: takes frames in order, becomes a file when it is finished."""

    def __init__(self, task: Task, plan: Plan) -> None:
        self.plan = plan
        self.task = task
        self.error: MediaError | None = None
        self.kept = frozenset(plan.kept)
        self._size: tuple[int, int] | None = None
        self._context = clip_writer(file_of(task.folder, plan.want.target, plan.want.sample_id))
        self._writer: ClipWriter = self._context.__enter__()

    def take(self, shot: Shot) -> None:
        """Append a frame under the clip's look; all frames of a clip have one size."""
        try:
            size, jpeg = shot.jpeg(self.plan.look)
        except (av.error.FFmpegError, cv2.error, ValueError, MediaError) as error:
            ours = isinstance(error, MediaError)
            self.fail(error if ours else MediaError(f"a frame cannot be converted ({error})"))  # type: ignore[arg-type]
            return
        if self._size not in (None, size):
            self.fail(MediaError(f"the picture's size changes within the clip, to {size[0]}x{size[1]}"))
        self._size = self._size or size
        self._writer.add(jpeg)

    def fail(self, error: MediaError) -> None:
        """Note what is wrong; the first problem stands."""
        self.error = self.error or error

    def finish(self, problem: MediaError | None) -> Result:
        """Publish the file and its record, or leave no trace of a clip with a problem."""
        problem = problem or self.error
        if problem is None and self._writer.count != len(self.plan.kept):
            problem = MediaError(f"decoded {self._writer.count} of {len(self.plan.kept)} frames")
        if problem is not None or self._size is None:
            self.abandon()
            return problem or MediaError("no frame was decoded")
        self._context.__exit__(None, None, None)
        return _publish(self.task, self.plan, self._size)

    def abandon(self) -> None:
        """Remove what was written."""
        error = MediaError("abandoned")
        with suppress(MediaError):
            self._context.__exit__(MediaError, error, None)


def _publish(task: Task, plan: Plan, size: tuple[int, int]) -> Clip:
    want = plan.want
    path = file_of(task.folder, want.target, want.sample_id)
    clip = Clip(
        sample_id=want.sample_id,
        file=path.relative_to(task.folder / want.target.path).as_posix(),
        sha256=digest_file(path),
        width=size[0],
        height=size[1],
        frame_indices=plan.kept,
        timestamps=plan.times,
    )
    write_json(made_file(task.folder, want.target, want.sample_id), Made(recipe=want.recipe, clip=clip))
    return clip


class Bench:
    """The clips that one pass makes: each begun when the pass reaches it, published as soon as it is past.

    A context manager: clips that are not finished by then leave no trace.
    """

    def __init__(self, task: Task, plans: Iterable[Plan], loss: Loss) -> None:
        self.results: dict[Want, Result] = {}
        self._task = task
        self._loss = loss
        self._waiting = sorted(plans, key=lambda plan: plan.inside.start, reverse=True)
        self._active: list[Draft] = []

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for draft in self._active:
            draft.abandon()

    def wanting(self, position: int) -> list[Draft]:
        """Move on to a frame of the source; return the clips that keep it."""
        while self._waiting and self._waiting[-1].inside.start <= position:
            self._active.append(Draft(self._task, self._waiting.pop()))
        self._close(position)
        return [draft for draft in self._active if position in draft.kept]

    def finish(self) -> None:
        """Close all clips: the pass is over."""
        self._close(None)
        for plan in self._waiting:
            self.results[plan.want] = self._loss(plan) or MediaError("no frame was decoded")

    def _close(self, before: int | None) -> None:
        for draft in [d for d in self._active if before is None or d.plan.inside.stop <= before]:
            self._active.remove(draft)
            self.results[draft.plan.want] = draft.finish(self._loss(draft.plan))
