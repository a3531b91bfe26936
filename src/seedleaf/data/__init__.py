"""Data: what people have, turned into arrays that a learner can use, with everything odd about it said aloud."""

from seedleaf.data.spec import ImageData, ImageSpec

__all__ = ["ImageData", "ImageSpec"]
