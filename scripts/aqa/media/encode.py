"""A video file of exactly the frames of a clip, for models that take one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

from aqa.errors import UserError
from aqa.media.codec import X264
from aqa.media.picture import Image


def rate_of(timestamps: Sequence[float]) -> Fraction:
    """Return the constant rate, frames a second, that puts n frames between the first and last time.

    One frame alone has rate 1. What is within 0.01 % of a whole number, or of 1000/1001 of one, is it.
    """
    if len(timestamps) < 2:
        return Fraction(1)
    seconds = timestamps[-1] - timestamps[0]
    if not seconds > 0:
        raise ValueError("timestamps do not increase")
    measured = (len(timestamps) - 1) / seconds
    for usual in (Fraction(round(measured)), Fraction(round(measured * 1.001) * 1000, 1001)):
        if abs(float(usual) - measured) < 1e-4 * measured:
            return usual
    return Fraction(measured).limit_denominator(1001)


def mp4(frames: Sequence[bytes], timestamps: Sequence[float]) -> bytes:
    """Encode a clip's frames as H.264 in MP4: each once, in order, nothing else; deterministic.

    The rate is constant, `rate_of(timestamps)`, and the first frame is at 0 s: readers compute times
    as number/rate, so unevenly sampled clips keep their span and their order, not their exact times.
    yuv420p, BT.601 and limited range (both stated in the stream), no B-frames; odd sizes
    are padded to even by repeating the last column or row. No audio, subtitle, metadata or encoder
    version but x264's own.

    Args:
        frames: encoded images (JPEG or PNG) of one size.
        timestamps: seconds, increasing, one a frame.

    Raises:
        UserError: a frame is no image or differs in size.
    """
    if not frames or len(frames) != len(timestamps):
        raise ValueError(f"{len(frames)} frames with {len(timestamps)} timestamps")
    images = (_even(data, position) for position, data in enumerate(frames))
    first = next(images)
    rate = rate_of(timestamps)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / rate
        stream.options = dict(X264)
        stream.codec_context.colorspace = av.video.reformatter.Colorspace.SMPTE170M
        stream.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
        for position, image in enumerate([first, *images]):
            if image.shape != first.shape:
                raise UserError(f"frame {position} of the clip differs in size; run the media stage again")
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame = frame.reformat(
                format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG", threads=1
            )
            frame.pts, frame.time_base = position, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _even(data: bytes, position: int) -> Image:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise UserError(f"frame {position} of the clip is no image; run the media stage again")
    height, width = decoded.shape[:2]
    padded = cv2.copyMakeBorder(decoded, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(padded, dtype=np.uint8)
