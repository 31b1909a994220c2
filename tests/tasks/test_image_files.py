"""One image: what Pillow would lose without a word is refused, what it reads is read."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import EpsImagePlugin, Image

from mrntk import MrntkError
from mrntk.tasks.image_files import read_image

RANDOM = np.random.default_rng(3)
COLOURS = RANDOM.integers(0, 256, (5, 4, 3), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """A PNG of the depth of `pixels`, (height, width, channels), written by hand: Pillow writes no 16-bit colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = pixels.shape
    kind, depth = {1: 0, 2: 4, 3: 2, 4: 6}[channels], 8 * pixels.dtype.itemsize
    rows = pixels.astype(pixels.dtype.newbyteorder(">"))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        + chunk(b"IEND", b"")
    )


def tiff(pixels, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def saved(image, kind, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def deep_avif() -> bytes:
    content = bytearray(saved(Image.fromarray(COLOURS), "AVIF"))
    content[content.index(b"av1C") + 6] |= 0x40  # high_bitdepth
    depths = content.index(b"pixi") + 9
    content[depths : depths + 3] = 3 * [10]
    return bytes(content)


DEEP = {
    f"png with {n} channels": lambda n=n: png(RANDOM.integers(0, 4096, (3, 3, n)).astype(np.uint16))
    for n in (1, 2, 3, 4)
}
DEEP |= {
    "tiff grey": lambda: tiff(COLOURS[..., 0].astype(np.uint16)),
    "tiff colour": lambda: tiff(COLOURS.astype(np.uint16), photometric="rgb"),
    "tiff float": lambda: tiff(COLOURS[..., 0].astype(np.float32)),
    "ppm": lambda: b"P6 2 1 65535\n" + bytes(12),
    "pgm": lambda: b"P5 2 1 4095\n" + bytes(4),
    "avif": deep_avif,
}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_8_bits_are_refused(name):
    with pytest.raises(MrntkError, match="^x has more than 8 bits per channel: convert it to 8 bits.$"):
        read_image(io.BytesIO(DEEP[name]()), name="x")


@pytest.mark.parametrize(
    "content",
    [
        lambda: png(COLOURS),
        lambda: tiff(COLOURS, photometric="rgb"),
        lambda: b"P6 4 5 255\n" + COLOURS.tobytes(),
        *(lambda kind=kind: saved(Image.fromarray(COLOURS), kind) for kind in ("PNG", "BMP", "TIFF", "PPM")),
        lambda: saved(Image.fromarray(COLOURS), "WEBP", lossless=True),
        lambda: saved(Image.fromarray(COLOURS).quantize(20), "GIF"),
        lambda: saved(Image.fromarray(COLOURS).quantize(20), "PNG", transparency=0),
        lambda: saved(Image.fromarray(np.dstack([COLOURS, 0 * COLOURS[..., :1]]), "RGBA"), "PNG"),
        lambda: saved(Image.fromarray(np.dstack([255 - COLOURS, 0 * COLOURS[..., :1]]), "CMYK"), "TIFF"),
    ],
)
def test_8_bits_are_read_exactly(content):
    expected = np.moveaxis(COLOURS, -1, 0).astype(np.float32) / 255
    assert np.array_equal(read_image(io.BytesIO(content())), expected)


def test_lossy_formats_are_read():
    grey = Image.new("RGB", (8, 8), (40, 130, 220))
    for kind in ("JPEG", "AVIF", "WEBP", "MPO"):
        assert np.abs(read_image(io.BytesIO(saved(grey, kind)))[:, 4, 4] * 255 - (40, 130, 220)).max() < 6


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_several_frames_are_refused(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(MrntkError, match="^x has 3 frames: give one image per file.$"):
        read_image(io.BytesIO(content), name="x")


def test_a_cameras_preview_is_no_second_frame():
    photo = Image.new("RGB", (8, 8), (40, 130, 220))
    content = saved(photo, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])
    assert read_image(io.BytesIO(content))[2].min() > 0.8


@pytest.mark.parametrize("content", [b"", b"no picture", png(COLOURS)[:60]])
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(MrntkError, match="x cannot be read as an image"):
        read_image(io.BytesIO(content), name="x")


def test_postscript_is_never_run(monkeypatch):
    """It is a program, whatever the file is called."""
    run = []
    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *arguments, **options: run.append(1) or Image.new("RGB", (4, 4)).im
    )
    content = saved(Image.fromarray(COLOURS), "EPS")
    Image.open(io.BytesIO(content)).load()
    assert run.pop()
    with pytest.raises(MrntkError, match="x cannot be read as an image"):
        read_image(io.BytesIO(content), name="x")
    assert not run
