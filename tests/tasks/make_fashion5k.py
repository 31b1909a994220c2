"""Make fashion5k.npz, fashion5k.json and fashion5k.LICENSE in mrntk/tasks/data from the four files of Fashion-MNIST.

    python tests/tasks/make_fashion5k.py [FOLDER]

FOLDER has the IDX files, packed (.gz) or not; without it, those of the Debian package dataset-fashion-mnist are taken. The
result is the same, byte for byte, on every machine: members with a fixed date, and bzip2, of which there is one
implementation, where the bytes of the usual deflate depend on the version of zlib.

IDX: two zero bytes, the type (8: unsigned bytes), the number of axes, their lengths as big-endian 32-bit integers, the data.
"""

import argparse
import gzip
import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

from mrntk.support.errors import MrntkError
from mrntk.support.files import write_atomically

HERE = Path(__file__).resolve().parents[2] / "mrntk" / "tasks" / "data"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
TRAIN_PER_CLASS, TEST_PER_CLASS = 500, 100
SHA256 = {  # of the unpacked files in the Debian package dataset-fashion-mnist
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
LICENCE = """\
The MIT License (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_idx(folder: Path, name: str) -> np.ndarray:
    """The array of unsigned bytes in the IDX file `name`, packed or not.

    Raises
    ------
    MrntkError
        If the file is missing, damaged, or not the one that Fashion-MNIST has under this name.
    """
    path = folder / name if (folder / name).is_file() else folder / f"{name}.gz"
    try:
        content = path.read_bytes() if path.suffix != ".gz" else gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise MrntkError(
            f"folder: cannot read {path} ({error}); give the folder of the Fashion-MNIST files, "
            "or install the Debian package dataset-fashion-mnist."
        ) from None
    if sha256(content) != SHA256[name]:
        raise MrntkError(f"folder: {path} is not the file of Fashion-MNIST, by its SHA-256; get it again.")
    axes = content[3]
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def first_of_each(images: np.ndarray, labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` examples of every class, in the order of the file."""
    rows = np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in range(10)]))
    return images[rows], labels[rows]


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """The .npz file of these arrays, the same bytes every time."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o644 << 16  # as on Unix
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, content.getvalue(), zipfile.ZIP_BZIP2, 9)
    return file.getvalue()


def subset(folder: Path) -> dict[str, np.ndarray]:
    """x_train (5000, 28, 28), y_train (5000,), x_test (1000, 28, 28), y_test (1000,), all unsigned bytes."""
    arrays = {}
    for part, prefix, count in (("train", "train", TRAIN_PER_CLASS), ("test", "t10k", TEST_PER_CLASS)):
        images, labels = (
            read_idx(folder, f"{prefix}-images-idx3-ubyte"),
            read_idx(folder, f"{prefix}-labels-idx1-ubyte"),
        )
        arrays[f"x_{part}"], arrays[f"y_{part}"] = first_of_each(images, labels, count)
    return arrays


def record(content: bytes) -> dict:
    """What fashion5k.json says of the result."""
    return {
        "file": "fashion5k.npz",
        "sha256": sha256(content),
        "bytes": len(content),
        "rule": f"the first {TRAIN_PER_CLASS} training images and the first {TEST_PER_CLASS} test images of every class, "
        "in the order of the files",
        "made_by": "make_fashion5k.py",
        "origin": "Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist",
        "citation": "Xiao, Rasul and Vollgraf 2017, Fashion-MNIST: a novel image dataset for benchmarking machine learning "
        "algorithms, arXiv:1708.07747",
        "sha256_of_unpacked_inputs": SHA256,
        "licence": "MIT",
        "licence_text": LICENCE,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the subset of Fashion-MNIST that mrntk ships.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEBIAN, help=f"with the IDX files (default: {DEBIAN})")
    content = packed(subset(parser.parse_args(arguments).folder))
    write_atomically(HERE / "fashion5k.npz", content)
    write_atomically(HERE / "fashion5k.json", (json.dumps(record(content), indent=2) + "\n").encode())
    write_atomically(HERE / "fashion5k.LICENSE", LICENCE.encode())
    print(f"{HERE / 'fashion5k.npz'}  {len(content):,} bytes  sha256 {sha256(content)}")


if __name__ == "__main__":
    main()
