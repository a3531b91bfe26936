"""Tables: from a messy file to typed columns, with everything odd about them said aloud."""

from seedleaf.data.tables.folds import folds, judged
from seedleaf.data.tables.load import load_table
from seedleaf.data.tables.schema import Column, Finding, Frame, TableData, TableSchema, Target, take

__all__ = [
    "Column",
    "Finding",
    "Frame",
    "TableData",
    "TableSchema",
    "Target",
    "folds",
    "judged",
    "load_table",
    "take",
]
