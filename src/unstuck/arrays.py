"""The one array type of the house, and what its precision is called."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating]
"""A NumPy array of float32 or float64."""

Precision = Literal["float32", "float64"]
