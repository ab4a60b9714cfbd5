"""DICOM files made for tests, each element as asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def ramp(rows: int = 128, columns: int = 160, top: int = 4095) -> NDArray[np.uint16]:
    """Every level from 0 to ``top`` (nearly), in an order that no row repeats."""
    return (np.arange(rows * columns) * 37 % (top + 1)).reshape(rows, columns).astype(np.uint16)


def chest(rows: int = 160, columns: int = 160, *, seed: int = 0, top: int = 4095) -> NDArray[Any]:
    """A crude chest: two dark lungs, bright middle, noise."""
    y, x = np.mgrid[0:rows, 0:columns] / np.array([rows, columns]).reshape(2, 1, 1)
    lungs = sum(np.exp(-(((x - c) / 0.13) ** 2 + ((y - 0.45) / 0.25) ** 2)) for c in (0.29, 0.71))
    noise = np.random.default_rng(seed).normal(0, 0.02, x.shape)
    return np.clip((0.75 - 0.55 * lungs + noise) * top, 0, top).astype(np.uint16)


def make(pixels: NDArray[Any], *, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> Dataset:
    """A DX object that holds ``pixels``; keyword arguments set or (``None``) delete elements."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DX
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = DX, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "MRN-4711"
    dataset.PatientSex, dataset.PatientAge, dataset.StudyDate = "F", "058Y", "20200229"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored = 12 if pixels.dtype.itemsize == 2 else 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    for keyword, value in elements.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if "BitsStored" in elements and "HighBit" not in elements:
        dataset.HighBit = dataset.BitsStored - 1
    return dataset


def write(path: Path, dataset: Dataset) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def lut(values: list[int], *, first: int = 0, bits: int = 16, keyword: str = "VOILUT") -> Dataset:
    """One item of a look-up table sequence."""
    item = Dataset()
    item.LUTDescriptor = [len(values) % 65536, first, bits]
    item["LUTDescriptor"].VR = "US" if first >= 0 else "SS"
    item.LUTData = values
    item["LUTData"].VR = "US"
    return item
