"""The compiled part of unstuck (C++17, nanobind); sources in `native/`."""

import numpy as np
import numpy.typing as npt

def philox_block(counter: tuple[int, int, int, int], key: int) -> list[int]:
    """Return the four words of one block of Philox4x32-10.

    Args:
        counter: `(c0, c1, c2, c3)`, 32 bits each.
        key: 64 bits; the generator's `(k0, k1)` are its low and its high half.
    """

def philox_words(key: int, stream: int, step: int, rows: int, units: int, first_row: int = 0) -> npt.NDArray[np.uint32]:
    """Return words of Philox4x32-10, shape (rows, units).

    The word in row r, column j is word `j % 4` of the block with counter `(j // 4, first_row + r, step, stream)`.

    Args:
        key: 64 bits, see `philox_block`.
        stream: 32 bits.
        step: 32 bits.
        rows: how many rows.
        units: how many words in each row, at most 2**34.
        first_row: the row to begin with; `first_row + rows` is at most 2**32.

    Raises:
        ValueError: if the counter cannot count so far, or no array could hold the result.
    """

def cpu_level() -> str:
    """Return what the processor can do: "baseline", "x86-64-v3" (AVX2), "x86-64-v4" (AVX-512) or "arm64".

    The levels are those of the System V ABI supplement for x86-64; "baseline" means that nothing more is known.
    """
