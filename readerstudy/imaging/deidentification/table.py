"""The attributes of DICOM PS3.15 Table E.1-1 and what the profile does to each. No Django.

The Basic Application Level Confidentiality Profile's column comes from the ``dicom-anonymizer``
package, which follows the standard's editions; the columns of the two Retain options used here are
short and stand below.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from pydicom.tag import Tag

EDITION = "2026c"
Action = Literal["remove", "empty", "replace", "uid", "keep"]

# The table's compound codes leave a choice by the attribute's type in its IOD (PS3.15 E.1.1). The
# stronger letter would break objects that need the attribute, so the weaker one is taken: a
# replaced or emptied value tells as little as a missing one.
_CODES: dict[str, Action] = {
    "X_TAGS": "remove",
    "Z_TAGS": "empty",
    "X_Z_TAGS": "empty",
    "D_TAGS": "replace",
    "Z_D_TAGS": "replace",
    "X_D_TAGS": "replace",
    "X_Z_D_TAGS": "replace",
    "U_TAGS": "uid",
    "X_Z_U_STAR_TAGS": "uid",
}

# Column "Rtn. Dev. Id. Opt.", code K. Application entity titles have code C there, to be cleaned:
# sites write names of people and wards into them, so they go.
_DEVICE = """
BeamHoldTransitionDateTime CalibrationDate CalibrationDateTime CalibrationTime CassetteID
DateOfInstallation DateOfLastCalibration DateOfLastDetectorCalibration DateOfManufacture
DateTimeOfLastCalibration DetectorID DeviceDescription DeviceLabel DeviceSerialNumber DeviceUID
GantryID GeneratorID LensMake LensModel LensSerialNumber LensSpecification
ManufacturerDeviceClassUID ManufacturerDeviceIdentifier ModifyingDeviceID ModifyingSystem
PerformedStationGeographicLocationCodeSequence PerformedStationName PerformedStationNameCodeSequence
PlateID ScheduledProcedureStepLocation ScheduledStationGeographicLocationCodeSequence
ScheduledStationName ScheduledStationNameCodeSequence ScheduledStudyLocation SourceManufacturer
SourceSerialNumber StationName TimeOfLastCalibration TimeOfLastDetectorCalibration
TransducerIdentificationSequence TreatmentMachineName UDISequence UniqueDeviceIdentifier
XRayDetectorID XRayDetectorLabel XRaySourceID
"""

# Column "Rtn. Pat. Chars. Opt.", code K. Attributes with code C (allergies, history ...) are free
# text that cannot be cleaned with certainty: they go.
_PATIENT = """
PatientSex PatientAge PatientSize PatientWeight PatientBodyMassIndex EthnicGroup
EthnicGroupCodeSequence SmokingStatus PregnancyStatus PatientSexNeutered SelectorASValue
"""


def _tags(keywords: str) -> frozenset[int]:
    return frozenset(int(Tag(keyword)) for keyword in keywords.split())


DEVICE_IDENTITY = _tags(_DEVICE)
PATIENT_CHARACTERISTICS = _tags(_PATIENT)


@lru_cache(maxsize=1)
def _table() -> tuple[dict[int, Action], tuple[tuple[int, int, Action], ...]]:
    """Actions by tag, and (value, mask, action) of the repeating groups."""
    single: dict[int, Action] = {}
    masked: list[tuple[int, int, Action]] = []
    for category, tags in dicom_anonymization_database_selector(f"dicomfields_{EDITION}").items():
        action = _CODES.get(category)
        if action is None:
            continue
        for tag in tags:
            if len(tag) == 2:
                single[tag[0] << 16 | tag[1]] = action
            else:
                masked.append((tag[0] << 16 | tag[1], tag[2] << 16 | tag[3], action))
    return single, tuple(masked)


@lru_cache(maxsize=8192)
def basic_action(tag: int) -> Action | None:
    """What the Basic Profile does to an attribute; ``None`` where the table does not list it."""
    single, masked = _table()
    action = single.get(tag)
    if action is None:
        for value, mask, what in masked:
            if tag & mask == value:
                return what
    return action


# What a reader study needs of a header: enough to describe the pool and to check the pixels.
_KEPT = """
    SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality ImageType
    PresentationIntentType Manufacturer ManufacturerModelName SoftwareVersions StationName
    DeviceSerialNumber DetectorID DetectorType DetectorManufacturerName PlateType StudyDate
    SeriesDate AcquisitionDate ContentDate PatientSex PatientAge PatientSize PatientWeight
    BodyPartExamined ViewPosition PatientOrientation Laterality ImageLaterality KVP Exposure
    ExposureTime XRayTubeCurrent ExposureInuAs DistanceSourceToDetector
    DistanceSourceToPatient ExposureIndex TargetExposureIndex DeviationIndex
    RelativeXRayExposure Sensitivity Grid FilterType FilterMaterial FocalSpots
    CollimatorShape PhotometricInterpretation SamplesPerPixel Rows Columns BitsAllocated
    BitsStored HighBit PixelRepresentation PixelSpacing ImagerPixelSpacing
    PixelSpacingCalibrationType NominalScannedPixelSpacing PixelAspectRatio PixelPaddingValue
    PixelPaddingRangeLimit WindowCenter WindowWidth VOILUTFunction RescaleSlope
    RescaleIntercept RescaleType PresentationLUTShape PixelIntensityRelationship
    PixelIntensityRelationshipSign LossyImageCompression LossyImageCompressionRatio
    LossyImageCompressionMethod BurnedInAnnotation PatientIdentityRemoved
    DeidentificationMethod LongitudinalTemporalInformationModified
"""
KEPT_KEYWORDS = tuple(_KEPT.split())
