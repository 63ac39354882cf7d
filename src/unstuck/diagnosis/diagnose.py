"""diagnose(): why a network does not learn, proven by experiment."""

from __future__ import annotations

from typing import Any, overload

from unstuck.diagnosis.code.diagnose_code import diagnose_code
from unstuck.diagnosis.of_recipe import diagnose_recipe
from unstuck.diagnosis.verdict import Diagnosis
from unstuck.errors import OptionError
from unstuck.functions.optimizers import Optimizer
from unstuck.recipe import Recipe
from unstuck.run import Run
from unstuck.subjects.handwritten import HandWritten


@overload
def diagnose(
    subject: HandWritten,
    *,
    budget: float | None = None,
    progress: bool = True,
    optimizer: Optimizer | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
) -> Diagnosis: ...
@overload
def diagnose(subject: Recipe, X: Any, y: Any, *, budget: float | None = None, progress: bool = True) -> Diagnosis: ...
@overload
def diagnose(
    subject: Run, X: Any = None, y: Any = None, *, budget: float | None = None, progress: bool = True
) -> Diagnosis: ...
def diagnose(
    subject: Recipe | Run | HandWritten,
    X: Any = None,
    y: Any = None,
    *,
    budget: float | None = None,
    progress: bool = True,
    optimizer: Optimizer | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
) -> Diagnosis:
    """Find out why a network does not learn, and what makes it.

    Ctrl-C during the trials ends them: the diagnosis is of what was found until then, and says so.

    Args:
        subject: the network and its training, as a recipe or as the run it made; or a network somebody wrote, with its
            data. A run is trained again on a part of its rows, unless they are so few that none are held out.
        X: features, an array (n, i) or a table of n rows; for a recipe. A run that has not been saved or pickled since
            has what it was trained on.
        y: targets, n labels or numbers, or an array (n, o); likewise. Row weights are not looked at.
        budget: seconds that it may take, about; None for eight times as long as the recipe trains, from 3 to 10.
        progress: show what is being done when it takes longer than a second.
        optimizer: that a network somebody wrote is trained with; None for gradient descent at the rate of its step,
            or at the best rate.
        epochs: that it is trained for; None for about 2,000 updates.
        batch_size: rows of its updates; None for all.

    Raises:
        DataError: when the data cannot be used.
        RecipeError: when recipe and data do not fit.
        SubjectError: when somebody's function raises, or does not return what it should.
        OptionError: when the arguments do not go together.
    """
    if budget is not None and not (isinstance(budget, int | float) and budget > 0):
        raise OptionError(f"budget must be a positive number of seconds; got {budget!r}")
    if not isinstance(subject, Recipe | Run | HandWritten):
        raise OptionError(f"a Recipe, a Run or a HandWritten can be diagnosed; got {type(subject).__name__}")
    if isinstance(subject, HandWritten):
        if X is not None or y is not None:
            raise OptionError("this network came with its data: HandWritten(..., data=(X, y)); leave X and y out here")
        return diagnose_code(
            subject, budget, optimizer=optimizer, epochs=epochs, batch_size=batch_size, progress=progress
        )
    if optimizer is not None or epochs is not None or batch_size is not None:
        raise OptionError("a recipe has its own optimizer, epochs and batch_size: change it, recipe.replace(...)")
    if isinstance(subject, Run) and X is None and y is None:
        if subject.data is None:
            raise OptionError(
                "this run does not have the rows it was trained on, which are not saved with it: diagnose(run, X, y)"
            )
        X, y = subject.data.X, subject.data.y
        return diagnose_recipe(subject.recipe, X, y, budget, progress, subject if subject.data.alone else None)
    if X is None or y is None:
        raise OptionError("whether a recipe learns depends on the data, all of them: diagnose(recipe, X, y)")
    recipe = subject.recipe if isinstance(subject, Run) else subject
    return diagnose_recipe(recipe, X, y, budget, progress)
