"""Kinds of data. Everything that differs between images and tables, from reading to the model card, is one `Modality`."""

from __future__ import annotations

from seedleaf.modality.base import Modality
from seedleaf.modality.registry import MODALITIES, check_job, check_new, modality_named, modality_of

__all__ = ["MODALITIES", "Modality", "check_job", "check_new", "modality_named", "modality_of"]
