"""A phantom as a DICOM Digital X-Ray Image, For Presentation (PS3.3 A.26)."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from synthesis.phantom.render import Phantom

MAKER = "Computed phantom"
_STUDY_DAY = date(2020, 1, 1)


def to_dataset(
    phantom: Phantom,
    *,
    patient_id: str,
    study_date: date | None = None,
    findings_in_header: bool = False,
) -> FileDataset:
    """The phantom as a DICOM data set; the same phantom and id give the same bytes.

    ``Synthetic Data`` (0008,001C) is YES: the picture was computed, not acquired.
    ``findings_in_header`` writes the labels to Image Comments; left off by default, so that a
    reader's viewer cannot show the answer.
    """
    if not 1 <= len(patient_id) <= 64 or "\\" in patient_id:
        raise ValueError(
            f"patient_id {patient_id!r}: DICOM LO takes 1 to 64 characters and no backslash"
        )
    seed = phantom.parameters.seed
    # The pixels decide too: the same patient with and without a finding are two images.
    content = sha256(phantom.pixels.tobytes()).hexdigest()
    entropy = ["synthesis.phantom", str(seed), patient_id, content]
    uids = {
        name: generate_uid(entropy_srcs=[*entropy, name])
        for name in ("image", "series", "study", "frame")
    }
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uids["image"]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = "PHANTOM_1"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    day = (study_date or _STUDY_DAY).strftime("%Y%m%d")
    _identify(ds, phantom, patient_id, uids, day)
    _acquisition(ds, phantom, day)
    _image(ds, phantom)
    if findings_in_header:
        ds.ImageComments = "; ".join(phantom.labels)
    return ds


def write_dicom(
    phantom: Phantom,
    path: str | Path,
    *,
    patient_id: str,
    study_date: date | None = None,
    findings_in_header: bool = False,
) -> Path:
    """Write ``phantom`` to ``path``; see :func:`to_dataset`. Gives the path back."""
    dataset = to_dataset(
        phantom, patient_id=patient_id, study_date=study_date, findings_in_header=findings_in_header
    )
    target = Path(path)
    dataset.save_as(target, enforce_file_format=True)
    return target


def _identify(
    ds: Dataset, phantom: Phantom, patient_id: str, uids: dict[str, UID], day: str
) -> None:
    # Patient, General Study, Patient Study
    ds.PatientName = f"Phantom^{patient_id}"[:64]  # the longest a component group may be
    ds.PatientID = patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = phantom.metadata["sex"]
    ds.PatientAge = f"{phantom.metadata['age']:03d}Y"
    ds.StudyInstanceUID = uids["study"]
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = day
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = "120000"
    ds.ReferringPhysicianName = ""
    ds.StudyID = "1"
    ds.AccessionNumber = ""
    ds.StudyDescription = "Chest"
    # General Series, DX Series
    ds.Modality = "DX"
    ds.SeriesInstanceUID = uids["series"]
    ds.SeriesNumber = 1
    ds.SeriesDescription = f"Chest {phantom.metadata['view']}"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.FrameOfReferenceUID = uids["frame"]
    ds.PositionReferenceIndicator = ""
    # General Equipment
    ds.Manufacturer = MAKER
    ds.ManufacturerModelName = "synthesis.phantom"
    ds.SoftwareVersions = "1"
    # SOP Common
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = uids["image"]
    ds.SyntheticData = "YES"
    ds.SpecificCharacterSet = "ISO_IR 192"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _acquisition(ds: Dataset, phantom: Phantom, day: str) -> None:
    details = phantom.metadata
    # DX Anatomy Imaged (PS3.16 CID 4031), DX Positioning (CID 4010), General Image
    ds.AnatomicRegionSequence = Sequence([_code("43799004", "SCT", "Thorax")])
    ds.BodyPartExamined = "CHEST"
    ds.ImageLaterality = "U"
    ds.ViewPosition = details["view"]
    view = (
        _code("399348003", "SCT", "Antero-posterior")
        if details["view"] == "AP"
        else _code("272479007", "SCT", "Posterior-anterior")
    )
    view.ViewModifierCodeSequence = Sequence([])
    ds.ViewCodeSequence = Sequence([view])
    ds.PatientOrientation = ["L", "F"]
    ds.InstanceNumber = 1
    ds.AcquisitionNumber = 1
    ds.KVP = f"{details['kilovolt']:.1f}"
    ds.PositionerType = "COLUMN"
    ds.DistanceSourceToDetector = f"{details['source_detector']:.1f}"
    ds.DistanceSourceToPatient = f"{details['source_detector'] / details['magnification']:.1f}"
    ds.EstimatedRadiographicMagnificationFactor = f"{details['magnification']:.4f}"
    # DX Detector
    ds.DetectorType = "SCINTILLATOR"
    spacing = f"{details['pixel_spacing']:.6g}"
    ds.ImagerPixelSpacing = [spacing, spacing]
    ds.FieldOfViewShape = "RECTANGLE"
    ds.FieldOfViewOrigin = ["0", "0"]
    ds.FieldOfViewRotation = "0"
    ds.FieldOfViewHorizontalFlip = "NO"
    ds.DetectorActiveTime = None
    ds.AcquisitionContextSequence = Sequence([])


def _image(ds: Dataset, phantom: Phantom) -> None:
    rows, columns = phantom.pixels.shape
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelRepresentation = 0
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    ds.WindowCenterWidthExplanation = "Whole range"
    ds.VOILUTFunction = "LINEAR"
    ds.PixelData = np.ascontiguousarray(phantom.pixels, dtype="<u2").tobytes()
    ds["PixelData"].VR = "OW"
