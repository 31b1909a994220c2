"""The reader's own data as a task: a folder of images, arrays in an .npz file, time series in a text file."""

import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ..cards import Card
from ..errors import MrntkError
from .task import Task

MOST_IMAGES = 100_000
MOST_BYTES = 4 * 10**9  # of decoded values
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def _check_amount(path: Path, size: int, count: int = 0):
    if count > MOST_IMAGES or size > MOST_BYTES:
        amount = f"{count:,} images" if count > MOST_IMAGES else f"{size / 1e9:.1f} GB of values"
        raise MrntkError(
            f"{path} holds {amount}, more than the limits of {MOST_IMAGES:,} images and {MOST_BYTES / 1e9:g} GB: give a part "
            "of it, or make images smaller by side=."
        )


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise MrntkError(f"path={str(path)!r} does not exist: give the path of your data.")
    return path


def split(
    labels: Int[np.ndarray, " N"], test_share: float, seed: int, path: str | Path
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " P"]]:
    """Rows for training and for testing, each ascending: of every class the share `test_share`, at least one, is for testing.

    Raises
    ------
    MrntkError
        If the share is not between 0 and 1, or if a class has a single example.
    """
    if not 0 < test_share < 1:
        raise MrntkError(f"test_share={test_share}: give a share between 0 and 1, for example 0.2.")
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) < 2:
            raise MrntkError(
                f"{path} has a class with one example: training and testing need one each, so give two or more."
            )
        held_out[rows[: min(len(rows) - 1, max(1, round(test_share * len(rows))))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _numbered(path: Path, names: np.ndarray, *more: np.ndarray) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """(class names in sorted order, the labels of every array as integers); the first array has all the classes."""
    classes, numbers = np.unique(names, return_inverse=True)
    if len(classes) < 2:
        raise MrntkError(f"{path} has one class, {classes[0]}: a task needs two or more.")
    for each in more:
        unknown = sorted(set(each.tolist()) - set(classes.tolist()))
        if unknown:
            raise MrntkError(
                f"{path} has the class {unknown[0]} in its test part alone: add training examples or remove it."
            )
    labels = [numbers, *(np.searchsorted(classes, each) for each in more)]
    return tuple(map(str, classes.tolist())), [each.astype(int) for each in labels]


def _whole(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Labels such as 1, "1" and "1.0000000e+00" as integers, if all are whole numbers; otherwise as words."""
    try:
        numbers = [each.astype(float) for each in arrays]
    except ValueError:
        return [each.astype(str) for each in arrays]
    if all((np.isfinite(each) & (each == np.round(each))).all() for each in numbers):
        return [each.astype(int) for each in numbers]
    return [each.astype(str) for each in arrays]


def _task(path: Path, title: str, classes, parts, note: str) -> Task:
    """Parts are x_train, y_train, x_test, y_test."""
    resolved = path.resolve()
    card = Card(
        name=re.sub(r"[^\w.-]+", "-", resolved.name if resolved.is_dir() else resolved.stem).strip("-.") or "own",
        title=title,
        shape=tuple(parts[0].shape[1:]),
        num_classes=len(classes),
        classes=classes,
        size=f"{len(parts[0]):,} + {len(parts[2]):,} {'images' if parts[0].ndim == 4 else 'examples'}",
        origin=f"{resolved}; {note}",
        licence="that of the reader's own data",
        citation="the reader's own data",
    )
    return Task(card, *parts)


def _made(test_share: float, seed: int) -> str:
    return f"split made here with test_share={test_share}, seed={seed}"


def read_image(file, side: int | None = None, *, name: str = "") -> Float[np.ndarray, "3 height width"]:
    """An image as float32 in [0, 1], RGB; with `side`, its largest centred square, resized bilinearly.

    Parameters
    ----------
    file : a path or an open binary file. The rotation that a camera notes in it is applied; transparency is dropped.
    name : of the image, for messages.

    Raises
    ------
    MrntkError
        If it cannot be read, or has more than 8 bits a channel.
    """
    from PIL import Image, ImageOps

    name = name or str(file)
    if side is not None and side < 1:
        raise MrntkError(f"side={side}: give the side of the square images in pixels, 1 or more.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise MrntkError(f"{name} has more than 8 bits a channel: convert it to 8 bits.")
                image = ImageOps.exif_transpose(image).convert("RGB")
        if side is not None:
            least, (left, top) = min(image.size), ((size - min(image.size)) // 2 for size in image.size)
            image = image.crop((left, top, left + least, top + least)).resize((side, side), Image.Resampling.BILINEAR)
    except MrntkError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        raise MrntkError(f"{name} cannot be read as an image ({type(error).__name__}): replace or remove it.") from None
    return np.asarray(image, np.float32).transpose(2, 0, 1) / 255


def _listed(folder: Path) -> tuple[list[Path], np.ndarray]:
    """(image files, the names of their folders), sorted."""
    files = [
        file
        for part in sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        for file in sorted(part.iterdir())
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise MrntkError(
            f"{folder} has no images: put them into one sub-folder a class, as {', '.join(sorted(SUFFIXES))}."
        )
    return files, np.array([file.parent.name for file in files])


def _stacked(files: list[Path], side: int | None) -> np.ndarray:
    first = read_image(files[0], side)
    _check_amount(files[0].parents[1], first.nbytes * len(files), len(files))
    images = np.empty((len(files), *first.shape), np.float32)
    for i, file in enumerate(files):
        image = read_image(file, side)
        if image.shape != first.shape:
            raise MrntkError(
                f"{file} has {image.shape[1]} x {image.shape[2]} pixels, {files[0].name} {first.shape[1]} x {first.shape[2]}: "
                "give side=, to which all are cut and resized."
            )
        images[i] = image
    return images


def from_folder(path: str | Path, *, side: int | None = None, test_share: float = 0.2, seed: int = 0) -> Task:
    """Images from a folder with one sub-folder a class, or with such folders in its sub-folders `train` and `test`.

    Parameters
    ----------
    side : pixels of a square, to which the middle of every image is cut and resized; None takes images of one size as they are.
    test_share, seed : make the split where there is no `test`; the card records them.

    Returns
    -------
    Task with inputs (3, height, width), float32 in [0, 1]; classes in the order of their names.

    Raises
    ------
    MrntkError
        For a missing path, an image that cannot be read (named), mixed sizes, fewer than two classes, or more than 100,000
        images or 4 GB of values.
    """
    path = _existing(path)
    if not path.is_dir():
        raise MrntkError(f"path={str(path)!r} is no folder: give one with a sub-folder of images for every class.")
    if (path / "train").is_dir() and (path / "test").is_dir():
        (train, words), (test, test_words) = _listed(path / "train"), _listed(path / "test")
        classes, (y_train, y_test) = _numbered(path, words, test_words)
        images, note = _stacked(train + test, side), "its own folders train and test"
        parts = images[: len(train)], y_train, images[len(train) :], y_test
    else:
        files, words = _listed(path)
        classes, (labels,) = _numbered(path, words)
        rows, held_out = split(labels, test_share, seed, path)
        images, note = _stacked([files[row] for row in (*rows, *held_out)], side), _made(test_share, seed)
        parts = images[: len(rows)], labels[rows], images[len(rows) :], labels[held_out]
    return _task(path, "images of the reader's own", classes, parts, note)


def _inputs(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    """uint8 as float32 in [0, 1], other numbers as they are in floating point."""
    if x.dtype.kind not in "fiub" or x.ndim < 2 or not x.size:
        raise MrntkError(f"{path}: {name} has dtype {x.dtype} and shape {x.shape}: give numbers, one example a row.")
    if x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        raise MrntkError(f"{path}: {name} has shape {x.shape}: put the channels first, {name}.transpose(0, 3, 1, 2).")
    _check_amount(path, x.size * (4 if x.dtype == np.uint8 else 8 if x.dtype.kind != "f" else x.dtype.itemsize))
    x = x.astype(np.float32) / 255 if x.dtype == np.uint8 else x if x.dtype.kind == "f" else x.astype(float)
    if not np.isfinite(x).all():
        raise MrntkError(f"{path}: {name} has missing or infinite values: fill them or remove those examples.")
    return x


def _labels(path: Path, name: str, y: np.ndarray, count: int) -> np.ndarray:
    if y.shape != (count,) or y.dtype.kind not in "iubfUS":
        raise MrntkError(
            f"{path}: {name} has dtype {y.dtype} and shape {y.shape}: give {count} labels, one an example."
        )
    return np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y


def from_npz(path: str | Path, *, test_share: float = 0.2, seed: int = 0) -> Task:
    """Arrays x_train, y_train, x_test, y_test from an .npz file, or x and y, which are split.

    x has one example a row: (N, channels, height, width), (N, 1, T) or (N, d); uint8 is divided by 255, other numbers are taken
    as they are. y has whole numbers or words. Nothing in the file is executed: object arrays, which are pickles, are refused.

    Raises
    ------
    MrntkError
        For a missing or damaged file, missing arrays, shapes that do not fit, NaN, one class only, or more than 4 GB.
    """
    path = _existing(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_amount(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as archive:
            wanted = ("x_train", "y_train", "x_test", "y_test") if "x_train" in archive else ("x", "y")
            arrays = {name: archive[name] for name in wanted}
    except KeyError:
        raise MrntkError(
            f"{path} lacks arrays: save it with x_train, y_train, x_test, y_test, or with x and y."
        ) from None
    except MrntkError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds
        cause = "it holds objects" if "pickle" in str(error) else "it is no .npz file, or damaged"
        raise MrntkError(f"{path} cannot be read: {cause}; save arrays of numbers again with numpy.savez.") from None
    x = [_inputs(path, name, arrays[name]) for name in wanted[::2]]
    y = [_labels(path, name, arrays[name], len(each)) for name, each in zip(wanted[1::2], x, strict=True)]
    if x[0].shape[1:] != x[-1].shape[1:]:
        raise MrntkError(
            f"{path}: x_train and x_test have shapes {x[0].shape} and {x[-1].shape}: give examples of one shape."
        )
    return _own_arrays(path, "arrays of the reader's own", x, y, test_share, seed)


def _own_arrays(path: Path, title: str, x, y, test_share: float, seed: int) -> Task:
    """A task from (x_train, x_test), (y_train, y_test), or from (x,), (y,), which are split."""
    classes, labels = _numbered(path, *_whole(y))
    if len(x) == 2:
        return _task(path, title, classes, (x[0], labels[0], x[1], labels[1]), "its own split")
    rows, held_out = split(labels[0], test_share, seed, path)
    parts = x[0][rows], labels[0][rows], x[0][held_out], labels[0][held_out]
    return _task(path, title, classes, parts, _made(test_share, seed))


def _rows(path: Path) -> tuple[Float[np.ndarray, "N 1 T"], np.ndarray]:
    """(series, words of the labels) of one text file."""
    words, series, delimiter = [], [], None
    try:
        with open(path, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                if not series:
                    delimiter = "," if "," in line else "\t" if "\t" in line.strip() else None
                word, *values = line.strip().split(delimiter)
                where = f"{path}, line {number}"
                series.append(_values(where, values))
                words.append(word.strip().strip("\"'"))
                if len(series[-1]) != len(series[0]):
                    raise MrntkError(
                        f"{where} has {len(series[-1])} values, the first has {len(series[0])}: give equal lengths."
                    )
                _check_amount(path, 8 * len(series) * len(series[0]))
    except UnicodeDecodeError:
        raise MrntkError(f"{path} is no text file: give one series a row, its label first.") from None
    if not series:
        raise MrntkError(f"{path} is empty: give one series a row, its label first.")
    return np.array(series)[:, None], np.array(words)


def _values(where: str, values: list[str]) -> np.ndarray:
    try:
        found = np.array(values, float)
    except ValueError:
        raise MrntkError(f"{where} has words among its values: give a label, then numbers, and no header.") from None
    if not len(found) or not np.isfinite(found).all():
        raise MrntkError(f"{where} has missing values: fill them or remove the series.")
    return found


def from_csv(path: str | Path, *, test_share: float = 0.2, seed: int = 0) -> Task:
    """Time series from a text file with one series a row, its label (a number or a word) first: the style of the UCR archive.

    Commas, tabs or blanks separate. NAME_TRAIN.csv is read with NAME_TEST.csv beside it; any other file is split.

    Returns
    -------
    Task with inputs (1, T), as they stand in the file.

    Raises
    ------
    MrntkError
        For a missing file, words or missing values among the numbers, or rows of different length (naming the line), one class
        only, or more than 4 GB.
    """
    path = _existing(path)
    match = re.fullmatch(r"(.*)_(train|test)", path.stem, re.IGNORECASE)
    if not match:
        series, words = _rows(path)
        return _own_arrays(path, "time series of the reader's own", [series], [words], test_share, seed)
    pair = [path.with_name(f"{match[1]}_{part}{path.suffix}") for part in _cased(match[2])]
    for each in pair:
        if not each.exists():
            raise MrntkError(
                f"{each} is missing beside {path.name}: put it there, or rename the one file to have it split."
            )
    (x_train, y_train), (x_test, y_test) = map(_rows, pair)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise MrntkError(
            f"{pair[1]} has series of {x_test.shape[2]} values, {pair[0].name} of {x_train.shape[2]}: give equal lengths."
        )
    whole = path.with_name(match[1] + path.suffix)
    return _own_arrays(whole, "time series of the reader's own", [x_train, x_test], [y_train, y_test], test_share, seed)


def _cased(word: str) -> tuple[str, str]:
    """train and test, written as `word` is."""
    change = str.upper if word.isupper() else str.capitalize if word.istitle() else str.lower
    return change("train"), change("test")


def load_own(path: str | Path, **options) -> Task:
    """A task from the reader's data: a folder of images, an .npz file, or a text file of time series, by what `path` is.

    `options` are those of `from_folder` (side, test_share, seed), `from_npz` and `from_csv` (test_share, seed).
    """
    path = _existing(path)
    if path.is_dir():
        load, known = from_folder, ("side", "test_share", "seed")
    elif path.suffix.lower() in (".npz", ".csv", ".tsv", ".txt"):
        load, known = (from_npz if path.suffix.lower() == ".npz" else from_csv), ("test_share", "seed")
    else:
        raise MrntkError(f"path={str(path)!r}: give a folder of images, an .npz file, or a .csv, .tsv or .txt file.")
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise MrntkError(f"{unknown[0]}={options[unknown[0]]!r}: {load.__name__} takes {', '.join(known)}.")
    return load(path, **options)
