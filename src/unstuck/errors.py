"""Every error unstuck raises on purpose.

    UnstuckError            something you can mend; its message says how
    ├── RecipeError         a recipe that cannot be built; `problems` lists every reason
    ├── DataError           data that cannot be used for training or prediction
    ├── FileError           a file that cannot be read or written as what it claims to be
    ├── OptionError         an argument of a function or an option of the command line
    └── SubjectError        a network of your own that cannot be examined: its functions or its parameters

All but `FileError` are also `ValueError`s, and `FileError` is an `OSError`, so code that knows nothing of unstuck can
catch them by the names it already uses.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnstuckError(Exception):
    """Something you can mend; the message says what happened, why it matters and what to write instead."""


class DataError(UnstuckError, ValueError):
    """Data that cannot be used as they are."""


class FileError(UnstuckError, OSError):
    """A file that is missing, cut short, or not what it claims to be."""


class OptionError(UnstuckError, ValueError):
    """An argument that makes no sense."""


class SubjectError(UnstuckError, ValueError):
    """A network of your own that cannot be examined; where your code raised, that error is the cause of this one."""


class RecipeError(UnstuckError, ValueError):
    """A recipe that cannot be built.

    Attributes:
        problems: one `(place, what is wrong)` pair for each reason, for example `("layers.0.units", "...")`.
    """

    def __init__(self, problems: Iterable[tuple[str, str]], subject: str = "this recipe"):
        self.problems = list(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [f"  {place}: {text}" if place else f"  {text}" for place, text in self.problems]
        super().__init__("\n".join([f"{count} in {subject}:", *lines]))


SHORT = {
    "acc": ["accuracy"],
    "auc": ["roc_auc"],
    "bce": ["binary_crossentropy"],
    "cce": ["categorical_crossentropy"],
    "ce": ["binary_crossentropy", "categorical_crossentropy"],
    "linear": ["identity"],
    "logistic": ["sigmoid"],
    "lr": ["learning_rate"],
    "mae": ["absolute_error"],
    "mse": ["squared_error"],
    "swish": ["silu"],
}
"""What others write, and no comparison of letters finds."""
PART = 4
"""A name is taken for a part of a longer one if it has at least so many letters."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'relu'?"`, or all the choices where nothing comes close.

    >>> did_you_mean("rleu", ["relu", "tanh"])
    "; did you mean 'relu'?"
    >>> did_you_mean("cat", ["relu", "tanh"])
    '; choose from relu, tanh'
    >>> did_you_mean("cross_entropy", ["binary_crossentropy", "categorical_crossentropy", "hinge"])
    "; did you mean 'binary_crossentropy' or 'categorical_crossentropy'?"
    """
    choices = sorted(known)
    lower = {name.lower(): name for name in choices}
    wanted, letters = given.lower(), _letters(given)
    cutoff = 0.6 if len(given) < PART else 0.7  # of a short name, one letter is more
    close = [name for name in SHORT.get(wanted, ()) if name in choices]
    close = close or [name for name in choices if len(letters) >= PART and letters in _letters(name)]
    close = close or [lower[name] for name in difflib.get_close_matches(wanted, lower, n=1, cutoff=cutoff)]
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else f"; choose from {', '.join(choices)}"


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
