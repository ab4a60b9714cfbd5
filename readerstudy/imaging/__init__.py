"""Scans: intake, de-identification, storage, blinded frames, blinding audit."""
