"""How a frame is shown: each picture converted once for a size, and encoded once for a look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aqa.config import Representation
from aqa.media import represent
from aqa.media.errors import MediaError
from aqa.media.masks import Box, fill
from aqa.media.picture import Image, to_jpeg
from aqa.media.profile import Profile
from aqa.pose.store import Poses


@dataclass(frozen=True)
class Look:
    """How the frames of a clip are shown. Under equal looks a frame is the same picture.

    `size` is a profile with nothing but a scale. `box` is what a cropped picture is cut to: left, top,
    right, bottom in pixels of the source's upright picture; where it follows the subject, `boxes` has one of
    the same size for each kept position. `unit` is the subject's height in scaled pixels.
    `poses_sha256` stands for the poses.
    """

    representation: Representation
    size: Profile
    box: tuple[int, int, int, int] | None = None
    boxes: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()
    unit: float = 0.0
    poses_sha256: str | None = None
    poses: Poses | None = field(default=None, compare=False, repr=False)

    def draw(self, shot: Shot) -> Image:
        """Return the picture; of the skeleton alone without converting the frame.

        Raises:
            MediaError: the poses were found in a picture of another size.
        """
        if self.poses is None:
            return shot.image(self.size)
        if shot.size != (self.poses.width, self.poses.height):
            raise MediaError(str(represent.problem(self.representation, self.poses, (), shot.size)))
        if self.boxes:
            return follow(shot.image(self.size), dict(self.boxes)[shot.position], shot.size)
        if self.box is not None:
            return cut(shot.image(self.size), self.box, shot.size)
        joints = represent.joints_at(self.poses, shot.position, self.size.scale)
        if self.representation == "skeleton_only":
            return represent.draw_skeleton(self.size.size(*shot.size), joints, self.unit)
        image = shot.image(self.size).copy()
        represent.draw_overlay(image, joints, self.unit)
        return image


def look_of(
    representation: Representation,
    profile: Profile,
    kept: Sequence[int],
    poses: Poses | None,
    poses_sha256: str | None,
) -> Look:
    """Return how a clip's kept frames are shown.

    Raises:
        MediaError: the joints that the representation needs are not known (`represent.problem`).
    """
    size = Profile(scale=profile.scale)
    if representation == "original":
        return Look(representation, size)
    if poses is None:
        raise MediaError("there are no poses of this clip")
    if wrong := represent.problem(representation, poses, kept):
        raise MediaError(wrong)
    if representation == "cropped" and profile.crop == "frame":
        boxes = tuple(represent.crop_boxes(poses, kept).items())
        return Look(representation, size, boxes=boxes, poses=poses)
    if representation == "cropped":
        box = represent.crop_box(poses, kept)
        return Look(representation, size, box=box, poses=poses)
    unit = represent.subject_height(poses, kept, profile.scale)
    return Look(representation, size, unit=unit, poses_sha256=poses_sha256, poses=poses)


def cut(image: Image, box: tuple[int, int, int, int], source: tuple[int, int]) -> Image:
    """Cut a box of the source's picture from an image of any scale, edges outwards.

    Args:
        image: the whole picture.
        box: left, top, right, bottom in pixels of the source's upright picture.
        source: width and height of that.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = box
    rows = slice(top * height // source[1], -(-bottom * height // source[1]))
    columns = slice(left * width // source[0], -(-right * width // source[0]))
    return image[rows, columns]


def follow(image: Image, box: tuple[int, int, int, int], source: tuple[int, int]) -> Image:
    """Cut as `cut`, but to a size that depends on the box's size alone, not on where it lies."""
    height, width = image.shape[:2]
    left, top, right, bottom = box
    rows = -(-(bottom - top) * height // source[1])
    columns = -(-(right - left) * width // source[0])
    first_row = min(top * height // source[1], height - rows)
    first_column = min(left * width // source[0], width - columns)
    return image[first_row : first_row + rows, first_column : first_column + columns]


class Shot:
    """A frame of a source, masked, in every size and look that some clip wants of it.

    `position` counts the source's frames from 0, `size` is the (width, height) of the upright, unscaled
    picture.
    """

    def __init__(
        self,
        position: int,
        size: tuple[int, int],
        convert: Callable[[Profile], Image],
        boxes: tuple[Box, ...],
        time_s: float,
    ) -> None:
        self.position = position
        self.size = size
        self._convert = convert
        self._boxes = boxes
        self._time_s = time_s
        self._images: dict[Profile, Image] = {}
        self._jpegs: dict[Look, tuple[tuple[int, int], bytes]] = {}

    def image(self, size: Profile) -> Image:
        """Return the picture, scaled and with its boxes filled; not to be changed."""
        if size not in self._images:
            image = self._convert(size)
            if self._boxes:
                image = image.copy()  # It may be the decoder's own, which later frames build on.
                height, width = image.shape[:2]
                fill(image, self._boxes, self._time_s, (width / self.size[0], height / self.size[1]))
            self._images[size] = image
        return self._images[size]

    def jpeg(self, look: Look) -> tuple[tuple[int, int], bytes]:
        """Return the (width, height) of the picture under a look, and its JPEG.

        Raises:
            MediaError: it cannot be shown so, or not be stored.
        """
        if look not in self._jpegs:
            image = look.draw(self)
            self._jpegs[look] = (image.shape[1], image.shape[0]), to_jpeg(image)
        return self._jpegs[look]
