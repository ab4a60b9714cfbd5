"""Reading pickles without running anything in them.

A pickle is a program: ``find_class`` names any function of any module, and ``REDUCE`` calls it.
Here no name leads to real code. Arrays and dtypes are rebuilt by this module from their bytes, each
implementation's one known class becomes an empty stub, and every other name is refused before
anything happens.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthesis.pggan.checkpoints import CheckpointError

LARGEST_ARRAY = 1 << 32  # bytes; the largest layer of any known network is 16 MiB


class Refused(CheckpointError):
    """A pickle that names something it has no business with."""


class NetworkStub:
    """Stands for ``tfutil.Network`` and ``network.Network``; holds the state, runs none of it."""

    state: dict[str, Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = dict(state)


class ConfigStub:
    """Stands for pytorch_GAN_zoo's ``BaseConfig``: a bag of settings."""


class _DType:
    """A dtype's pickled form: its name and byte order."""

    def __init__(self, name: Any, *_: Any) -> None:
        text = name.decode("ascii") if isinstance(name, bytes) else str(name)
        if text[:1] not in "fiub" or not text[1:].isdigit():
            raise Refused(f"an array of type {text!r}; only plain numbers are read")
        self.name, self.order = text, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else str(order)

    def numpy(self) -> np.dtype[Any]:
        return np.dtype((self.order if self.order in "<>=" else "=") + self.name)


class _NDArray:
    """The class name ``numpy.ndarray`` in a pickle."""


class _Array:
    """An array's pickled form."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType):
            raise Refused("an array without a plain type")
        raw = data.encode("latin1") if isinstance(data, str) else data
        kind = dtype.numpy()
        count = int(np.prod([int(n) for n in shape], dtype=object)) if shape else 1
        if not isinstance(raw, bytes | bytearray) or count * kind.itemsize != len(raw):
            raise Refused(f"an array of shape {shape} does not fit its {len(raw)} bytes")
        array = np.frombuffer(raw, dtype=kind)
        self.value = array.reshape(tuple(shape), order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, _DType):
        raise Refused("a number without a plain type")
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype=dtype.numpy(), count=1)[0]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1", "ascii", "utf-8"):
        raise Refused(f"text in the encoding {encoding!r}")
    return text.encode(encoding)


def _reconstructor(kind: Any, *_: Any) -> Any:
    if kind is not NetworkStub:
        raise Refused(f"an object of {kind!r}")
    return NetworkStub()


def _bytes(*parts: Any) -> bytes:
    return bytes(parts[0]) if parts and isinstance(parts[0], bytes | list | tuple) else b""


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("tfutil", "Network"): NetworkStub,
    ("network", "Network"): NetworkStub,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
    ("__builtin__", "bytes"): _bytes,
    ("builtins", "bytes"): _bytes,
    ("numpy", "ndarray"): _NDArray,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise Refused(
                f"the pickle names {module}.{name}, which a generator has no use for; nothing in "
                "it was run. Ask whoever made the file for a plain one"
            )
        return _KNOWN[module, name]

    def persistent_load(self, identifier: Any) -> Any:
        raise Refused("the pickle refers to storage outside itself")


def read_pickle(path: Path) -> Any:
    """A pickle's value, with arrays as numpy arrays and networks as ``NetworkStub``.

    Raises:
        Refused: when it names anything but numbers, arrays and the one known class.
        CheckpointError: when it is damaged.
    """
    data = path.read_bytes()
    try:
        # latin1: a pickle of Python 2 holds its arrays as byte strings.
        return _plain(_Unpickler(io.BytesIO(data), encoding="latin1").load())
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle may fail in any way
        raise CheckpointError(f"{path}: the pickle is damaged ({error})") from error


def _plain(value: Any) -> Any:
    """Arrays in place of their stubs, throughout."""
    if isinstance(value, _Array):
        if not hasattr(value, "value"):
            raise Refused("an array without its numbers")
        return value.value
    if isinstance(value, NetworkStub):
        if not hasattr(value, "state"):
            raise Refused("a network without its state")
        value.state = _plain(value.state)
        return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value


_ZOO_CLASS = "models.utils.config.BaseConfig"


def read_torch(path: Path) -> Any:
    """A ``torch.save`` file's value, by torch's own restricted unpickler.

    Raises:
        Refused: when the file names anything but tensors, plain values and pytorch_GAN_zoo's
            settings class.
    """
    try:
        with torch.serialization.safe_globals([(ConfigStub, _ZOO_CLASS)]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        line = next((x for x in str(error).splitlines() if "GLOBAL" in x or "nsupported" in x), "")
        raise Refused(
            f"{path}: the file asks for code that a generator has no use for, and none of it was "
            f"run ({line.strip() or 'it is no torch checkpoint'})"
        ) from error
    except Exception as error:  # a damaged archive may fail in any way
        raise CheckpointError(f"{path}: cannot be read as a torch checkpoint ({error})") from error


def looks_like_torch(path: Path) -> bool:
    """A torch zip archive, or the older form that opens with torch's magic number."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    with open(path, "rb") as file:
        return bytes.fromhex("6cfc9c46f9206aa85019") in file.read(64)
