"""One image file as an array."""

import warnings

import numpy as np
from jaxtyping import Float

from ..support.errors import MrntkError

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "AVIF", "PPM")  # those that Pillow reads by itself


def _deep(image) -> bool:
    """Does the file have more than 8 bits per channel? Pillow drops those of colour images without a word."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,))) > 8  # BitsPerSample
    if image.format == "PPM":
        return (
            not isinstance(image.tile[0][3], str) and image.tile[0][3][-1] > 255
        )  # the largest value, from its header
    if image.format not in ("PNG", "AVIF"):
        return False
    place = image.fp.tell()
    image.fp.seek(0)
    head = image.fp.read(4096)
    image.fp.seek(place)
    if image.format == "PNG":
        return head[24] > 8  # IHDR
    configuration = head.partition(b"av1C")[2]
    return len(configuration) > 2 and bool(configuration[2] & 0x40)  # high_bitdepth


def read_image(file, side: int | None = None, *, name: str = "") -> Float[np.ndarray, "3 height width"]:
    """An image as float32 in [0, 1], RGB; with `side`, its largest centred square, resized bilinearly.

    Parameters
    ----------
    file : a path or an open binary file. The rotation that a camera notes in it is applied; transparency is dropped.
    side : pixels of the square; None takes the image as it is.
    name : of the image, for messages.

    Raises
    ------
    MrntkError
        If it cannot be read, has several frames, or has more than 8 bits per channel.
    """
    from PIL import Image, ImageOps

    name = name or str(file)
    if side is not None and side < 1:
        raise MrntkError(f"side={side}: give the side of the square images in pixels, 1 or more.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.init()
            with Image.open(file, formats=[each for each in FORMATS if each in Image.OPEN]) as image:
                if image.mode.startswith(("I", "F")) or _deep(image):
                    raise MrntkError(f"{name} has more than 8 bits per channel: convert it to 8 bits.")
                if getattr(image, "is_animated", False) and image.format != "MPO":  # a camera's JPEG and its preview
                    raise MrntkError(f"{name} has {image.n_frames} frames: give one image per file.")
                image = ImageOps.exif_transpose(image).convert("RGB")
        if side is not None:
            least, (left, top) = min(image.size), ((size - min(image.size)) // 2 for size in image.size)
            image = image.crop((left, top, left + least, top + least)).resize((side, side), Image.Resampling.BILINEAR)
    except MrntkError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        raise MrntkError(f"{name} cannot be read as an image ({type(error).__name__}): replace or remove it.") from None
    return np.asarray(image, np.float32).transpose(2, 0, 1) / 255
