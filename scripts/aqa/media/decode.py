"""Videos, frame by frame: one scan of the packets, then sequential decoding with PyAV.

The scan reads packets without decoding them and yields the presentation time of every frame, so the
frames that a clip needs are known before the first is decoded. Decoding never seeks per frame: a clip
deep inside a broadcast costs one seek to the keyframe before it. Seeking is exact because every
decoded frame is identified by its own timestamp; a file whose timestamps contradict the scan is
scanned again by decoding all of it and is then always decoded from its beginning.

Damage shows as a frame that does not decode whole; truncation as fewer frames than the container
announces (MP4 by its index, Matroska by its duration). A transport stream announces nothing: one that
ends early is a shorter video, and only clips whose interval is stated can be found uncovered.
"""

from __future__ import annotations

import bisect
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from aqa.media.errors import MediaError
from aqa.media.picture import MAX_PIXELS, check_size

FORMATS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mpegvideo,h264,hevc,ivf,mxf"
"""Demuxers that may open a file; none of them opens another file that a hostile one names."""

_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")


class Inconsistent(Exception):
    """Decoded timestamps contradict the scan of the packets."""


@dataclass(frozen=True)
class Index:
    """The frames of a video in presentation order.

    `times` are seconds from the first frame, (n,) increasing; `end` is when the last frame ends.
    `pts` maps a frame's timestamp to its position, None where frames are counted instead.
    `keys` are (position, presentation timestamp, decoding timestamp) of keyframes, by position.
    `promised` is what the container announces, in words, where it announces more than there is.
    """

    times: NDArray[np.float64]
    end: float
    pts: dict[int, int] | None
    keys: tuple[tuple[int, int, int], ...] = ()
    promised: str | None = None

    def key_before(self, position: int) -> tuple[int, int, int] | None:
        """Return the last keyframe at or before a position."""
        found = bisect.bisect_right(self.keys, position, key=lambda key: key[0])
        return self.keys[found - 1] if found else None


@dataclass
class Run:
    """What one sequential pass over a video met: frames decoded whole, and frames found damaged."""

    decoded: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)


class Video:
    """An open video with its index; a context manager.

    Raises:
        MediaError: not a video, no video stream, no frame, or absurdly large pictures.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container, self._stream = _open(path)
        self._time_base: Fraction = self._stream.time_base
        try:
            try:
                self.index = _scan(self._container, self._stream)
            except Inconsistent:
                self.rescan()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def rescan(self) -> None:
        """Index the frames again, by decoding them all."""
        self._reopen()
        self.index = _scan_by_decoding(self._container, self._stream)

    def frames(
        self, first: int, last: int, run: Run, *, from_start: bool = False
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Decode once from the keyframe before `first` and yield the frames at `first`..`last`.

        Frames flagged as interlaced are deinterlaced (bwdif, one picture a frame). `run` is told of
        every frame that was decoded, also those before `first`. With `from_start` nothing is skipped.

        Raises:
            Inconsistent: a frame is not where the scan saw it; nothing of this pass can be trusted.
        """
        frames = self._decode(last, run) if from_start else self._from_keyframe(first, last, run)
        for position, frame in _deinterlaced(frames, self._time_base):
            if first <= position <= last:
                yield position, frame

    def _from_keyframe(self, first: int, last: int, run: Run) -> Iterator[tuple[int, VideoFrame]]:
        """Decode from the keyframe before the frame before `first`, which a deinterlacer needs.

        Containers disagree about the clock that they seek by, and may land late: then the other clock
        is tried, then the beginning of the file.
        """
        key = self.index.key_before(max(first - 1, 0))
        if key is not None and key[0] > 0 and self.index.pts is not None:
            for stamp in sorted({key[1], key[2]}, reverse=True):
                frames = self._decode(last, run, seek=stamp)
                head = next(frames, None)
                if head is not None and head[0] <= max(first - 1, 0):
                    yield head
                    yield from frames
                    return
        yield from self._decode(last, run)

    def _decode(self, last: int, run: Run, seek: int | None = None) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (position, frame) up to one frame after `last`: a deinterlacer looks one ahead."""
        self._reopen()
        run.decoded.clear()
        run.damaged.clear()
        if seek is not None:
            try:
                self._container.seek(seek, stream=self._stream, backward=True)
            except av.error.FFmpegError:
                return
        previous = -1
        for frame in _decoded(self._container, self._stream):
            position = self._position(frame, previous)
            if position is None:
                continue
            if position <= previous:
                raise Inconsistent
            previous = position
            (run.damaged if frame.is_corrupt else run.decoded).add(position)
            yield position, frame
            if position > last:
                return

    def _position(self, frame: VideoFrame, previous: int) -> int | None:
        pts = self.index.pts
        if pts is None:
            return previous + 1
        if frame.pts is None:
            raise Inconsistent
        if frame.pts not in pts:
            if frame.pts < next(iter(pts)):
                return None
            raise Inconsistent
        return pts[frame.pts]

    def _reopen(self) -> None:
        self._container.close()
        self._container, self._stream = _open(self._path)


def _open(path: Path) -> tuple[Any, Any]:
    """Open a file for its first real video stream; one thread, all other streams dropped."""
    try:
        if path.stat().st_size == 0:
            raise MediaError("the file is empty")
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}
        container = av.open(str(path), options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise MediaError(f"not a video that can be opened ({error.strerror})") from error
    except OSError as error:
        raise MediaError(f"cannot be read ({error.strerror})") from error
    try:
        stream = _video_stream(container)
        check_size(stream.codec_context.width, stream.codec_context.height)
    except BaseException:
        container.close()
        raise
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    stream.codec_context.thread_count = 1
    return container, stream


def _video_stream(container: Any) -> Any:
    for stream in container.streams.video:
        cover = stream.disposition & av.stream.Disposition.attached_pic
        if not cover and stream.codec_context is not None:
            for other in container.streams:
                if other is not stream:
                    other.discard = av.stream.Discard.all
            return stream
    kinds = sorted({stream.type for stream in container.streams})
    raise MediaError(f"there is no video stream (only: {', '.join(kinds) or 'nothing'})")


@dataclass(frozen=True)
class _Packet:
    pts: int
    dts: int
    duration: int
    key: bool


def _scan(container: Any, stream: Any) -> Index:
    """Index by packets, without decoding.

    Frames before the first keyframe cannot be decoded and do not count; discarded ones (edit lists)
    do not either, nor does a packet that the container flags as incomplete.
    """
    announced = len(stream.index_entries)
    packets: list[_Packet] = []
    seen = 0
    for packet in _packets(container, stream):
        if packet.is_corrupt:
            continue
        seen += 1
        if packet.pts is None:
            raise Inconsistent
        dts = packet.pts if packet.dts is None else packet.dts
        if not packet.is_discard:
            packets.append(_Packet(packet.pts, dts, packet.duration or 0, packet.is_keyframe))
    if not packets:
        raise MediaError("there is no frame in the video stream")
    promised = f"{announced} frames" if announced > seen else _announced_duration(stream, packets)
    return _index(packets, stream, promised)


def _index(packets: list[_Packet], stream: Any, promised: str | None) -> Index:
    if promised:
        # Cut in decoding order: what would be shown before the last packet's turn is all there.
        packets = [packet for packet in packets if packet.pts <= packets[-1].dts] or packets[:1]
    start = min((packet.pts for packet in packets if packet.key), default=packets[0].pts)
    shown = sorted((packet for packet in packets if packet.pts >= start), key=lambda packet: packet.pts)
    pts = {packet.pts: position for position, packet in enumerate(shown)}
    if len(pts) < len(shown):
        raise Inconsistent
    tick = float(stream.time_base)
    times = np.array([packet.pts - shown[0].pts for packet in shown], dtype=np.float64) * tick
    end = float(times[-1]) + (shown[-1].duration * tick or _gap(times, stream))
    keys = tuple((at, packet.pts, packet.dts) for at, packet in enumerate(shown) if packet.key)
    return Index(times=times, end=end, pts=pts, keys=keys, promised=promised)


def _announced_duration(stream: Any, packets: list[_Packet]) -> str | None:
    """Return the duration that Matroska states for the stream, if the packets end well before it."""
    match = _DURATION.match(stream.metadata.get("DURATION", ""))
    if match is None:
        return None
    seconds = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    gap = _gap(np.zeros(1), stream)
    end = max(packet.pts for packet in packets) * float(stream.time_base) + gap
    return f"frames up to {seconds:.3f} s" if end < seconds - max(0.1, 2 * gap) else None


def _scan_by_decoding(container: Any, stream: Any) -> Index:
    """Index by decoding all frames; without usable timestamps the rate is taken as constant."""
    stamps: list[int | None] = [frame.pts for frame in _decoded(container, stream)]
    if not stamps:
        raise MediaError("no frame can be decoded")
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == len(stamps) and all(a < b for a, b in pairwise(known)):
        clock = np.array([stamp - known[0] for stamp in known], dtype=np.float64)
        times = clock * float(stream.time_base)
        pts = {stamp: position for position, stamp in enumerate(known)}
        return Index(times=times, end=float(times[-1]) + _gap(times, stream), pts=pts)
    rate = _rate(stream)
    if rate is None:
        raise MediaError("the frames have no usable timestamps and the file states no frame rate")
    counted = np.arange(len(stamps)) / float(rate)
    return Index(times=counted, end=len(stamps) / float(rate), pts=None)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except (av.error.FFmpegError, IndexError):  # IndexError: a damaged transport stream grows a stream
        return


def _decoded(container: Any, stream: Any) -> Iterator[VideoFrame]:
    """Yield every frame that decodes; a packet that does not is passed over (its frame is missing)."""
    for packet in _packets(container, stream):
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue
    try:
        yield from stream.codec_context.decode(None)
    except av.error.FFmpegError:
        return


def _rate(stream: Any) -> Fraction | None:
    rate: Fraction | None = stream.average_rate or stream.guessed_rate or stream.base_rate
    return rate


def _gap(times: NDArray[np.float64], stream: Any) -> float:
    """Return the usual seconds between two frames."""
    if len(times) > 1:
        return float(np.median(np.diff(times)))
    rate = _rate(stream)
    return float(1 / rate) if rate else 0.04


def _deinterlaced(
    frames: Iterator[tuple[int, VideoFrame]], time_base: Fraction
) -> Iterator[tuple[int, VideoFrame]]:
    """Pass progressive frames through; from the first interlaced one on, go through bwdif.

    bwdif needs a frame on either side, so the frame before the first interlaced one enters with it;
    whatever the pass began with, a frame always comes out the same.
    """
    before: tuple[int, VideoFrame] | None = None
    for position, frame in frames:
        if frame.interlaced_frame:
            yield from _bwdif(before, (position, frame), frames, time_base)
            return
        yield position, frame
        before = position, frame


def _bwdif(
    before: tuple[int, VideoFrame] | None,
    first: tuple[int, VideoFrame],
    rest: Iterator[tuple[int, VideoFrame]],
    time_base: Fraction,
) -> Iterator[tuple[int, VideoFrame]]:
    graph = _graph(first[1], time_base)
    skipped = -1 if before is None else before[0]
    entering = chain([] if before is None else [before], [first], rest, [None])
    waiting: deque[int] = deque()
    for item in entering:
        if item is not None:
            waiting.append(item[0])
        graph.vpush(None if item is None else item[1])
        for out in _pulled(graph):
            position = waiting.popleft()
            if position != skipped:
                yield position, out


def _graph(frame: VideoFrame, time_base: Fraction) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=time_base
    )
    deinterlace = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, deinterlace, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Any) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
