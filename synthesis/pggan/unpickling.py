"""Reading pickles without running anything in them.

A pickle is a program: ``find_class`` names any function of any module, and ``REDUCE`` calls it.
Here no name leads to real code. Arrays and dtypes are rebuilt by this module from their bytes, each
implementation's one known class becomes an empty stub, and every other name is refused before
anything happens.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from synthesis.pggan.weights import CheckpointError

LARGEST_INFLATION = 4  # bytes unpacked to bytes of the file; torch packs nothing


class Refused(CheckpointError):
    """A pickle that names something it has no business with."""


class Sealed(type):
    """A class whose attributes a pickle cannot set: ``BUILD`` works on whatever it is given."""

    def __setattr__(cls, name: str, value: Any) -> None:
        raise Refused("the pickle changes a class")


class NetworkStub(metaclass=Sealed):
    """Stands for ``tfutil.Network`` and ``network.Network``; holds the state, runs none of it."""

    state: dict[str, Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = dict(state)


class ConfigStub(metaclass=Sealed):
    """Stands for pytorch_GAN_zoo's ``BaseConfig``: a bag of settings."""


class _DType(metaclass=Sealed):
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


class _NDArray(metaclass=Sealed):
    """The class name ``numpy.ndarray`` in a pickle."""


class _Array(metaclass=Sealed):
    """An array's pickled form."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _numbers(data, dtype, shape, "F" if fortran else "C")


def _numbers(data: Any, dtype: Any, shape: Any, order: Literal["C", "F"]) -> np.ndarray:
    if not isinstance(dtype, _DType):
        raise Refused("an array without a plain type")
    raw = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(raw, bytes | bytearray):
        raise Refused("an array whose numbers are no bytes")
    sizes = [int(n) for n in shape]
    kind = dtype.numpy()
    if min(sizes, default=0) < 0 or math.prod(sizes) * kind.itemsize != len(raw):
        raise Refused(f"an array of shape {tuple(sizes)} does not fit its {len(raw)} bytes")
    return np.frombuffer(raw, dtype=kind).reshape(sizes, order=order)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: str = "C", *_: Any) -> _Array:
    """An array as protocol 5 writes it."""
    array = _Array()
    array.value = _numbers(data, dtype, shape, "F" if order == "F" else "C")
    return array


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


class Deed:
    """A function of this module that a pickle may call and cannot change."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *values: Any) -> Any:
        return self._call(*values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise Refused("the pickle changes a function")


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("tfutil", "Network"): NetworkStub,
    ("network", "Network"): NetworkStub,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): Deed(_encode),
    ("copy_reg", "_reconstructor"): Deed(_reconstructor),
    ("copyreg", "_reconstructor"): Deed(_reconstructor),
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
    ("__builtin__", "bytes"): Deed(_bytes),
    ("builtins", "bytes"): Deed(_bytes),
    ("__builtin__", "bytearray"): Deed(_bytes),
    ("builtins", "bytearray"): Deed(_bytes),
    ("numpy", "ndarray"): _NDArray,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): Deed(_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): Deed(_reconstruct),
    ("numpy.core.multiarray", "scalar"): Deed(_scalar),
    ("numpy._core.multiarray", "scalar"): Deed(_scalar),
    ("numpy.core.numeric", "_frombuffer"): Deed(_from_buffer),
    ("numpy._core.numeric", "_frombuffer"): Deed(_from_buffer),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] in ("dnnlib", "torch_utils"):
            raise Refused(
                f"the pickle names {module}.{name}: it is a StyleGAN's, and only progressively "
                "grown networks (PGGAN) are read; nothing in it was run"
            )
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
        return _plain(_Unpickler(io.BytesIO(data), encoding="latin1").load(), {})
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle may fail in any way
        raise CheckpointError(f"{path}: the pickle is damaged ({error})") from error


def _plain(value: Any, seen: dict[int, Any]) -> Any:
    """Arrays in place of their stubs, throughout.

    What is referred to twice is looked at once: a few hundred bytes can refer to the same list
    more often than there are atoms.
    """
    if isinstance(value, _Array):
        if not hasattr(value, "value"):
            raise Refused("an array without its numbers")
        return value.value
    if isinstance(value, NetworkStub):
        if not hasattr(value, "state"):
            raise Refused("a network without its state")
        if id(value) not in seen:
            seen[id(value)] = value
            value.state = _plain(value.state, seen)
        return value
    if not isinstance(value, dict | list | tuple):
        return value
    if id(value) not in seen:
        if isinstance(value, dict):
            seen[id(value)] = {key: _plain(item, seen) for key, item in value.items()}
        else:
            seen[id(value)] = type(value)(_plain(item, seen) for item in value)
    return seen[id(value)]


# What a torch file may name besides tensors: pytorch_GAN_zoo's settings, and numpy's numbers.
_TORCH_KNOWN = [
    (ConfigStub, "models.utils.config.BaseConfig"),
    (_DType, "numpy.dtype"),
    *(
        (_KNOWN[module, "scalar"], f"{module}.scalar")
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    ),
]


def read_torch(path: Path) -> Any:
    """A ``torch.save`` file's value, by torch's own restricted unpickler.

    Raises:
        Refused: when the file names anything but tensors, plain values and pytorch_GAN_zoo's
            settings class, or claims more numbers than it holds.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise Refused(
                    f"{path}: a TorchScript programme; the weights alone (a state_dict) are needed"
                )
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LARGEST_INFLATION * path.stat().st_size:
            raise Refused(f"{path}: unpacks to {unpacked:,} bytes, which no checkpoint does")
    try:
        with torch.serialization.safe_globals(_TORCH_KNOWN):  # type: ignore[arg-type]
            value = torch.load(path, map_location="cpu", weights_only=True)
        _check_backed(value, set())
        return value
    except CheckpointError as error:
        raise Refused(f"{path}: {error}") from error
    except pickle.UnpicklingError as error:
        line = next((x for x in str(error).splitlines() if "GLOBAL" in x or "nsupported" in x), "")
        raise Refused(
            f"{path}: the file asks for code that a generator has no use for, and none of it was "
            f"run ({line.strip() or 'it is no torch checkpoint'})"
        ) from error
    except Exception as error:  # a damaged archive may fail in any way
        raise CheckpointError(f"{path}: cannot be read as a torch checkpoint ({error})") from error


def _check_backed(value: Any, seen: set[int]) -> None:
    """Every tensor has a number in the file for each that it claims."""
    if isinstance(value, Tensor):
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise Refused(
                f"a tensor of shape {tuple(value.shape)} for which the file holds only "
                f"{value.untyped_storage().nbytes():,} bytes"
            )
        return
    if not isinstance(value, dict | list | tuple) or id(value) in seen:
        return
    seen.add(id(value))
    for item in value.values() if isinstance(value, dict) else value:
        _check_backed(item, seen)


def looks_like_torch(path: Path) -> bool:
    """A torch zip archive, or the older form that opens with torch's magic number."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    with open(path, "rb") as file:
        return bytes.fromhex("6cfc9c46f9206aa85019") in file.read(64)
