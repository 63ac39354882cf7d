"""What is said of somebody's functions, in plain words and with their numbers; probes.py finds it out."""

from __future__ import annotations

from collections.abc import Sequence


def some_rows(all_rows: int, seconds: float, rows: int) -> str:
    """Say that only some rows were used."""
    return f"With all {all_rows:,} rows the check would take about {seconds:.0f} s: the first {rows:,} rows were used."


def not_finite(loss: float) -> str:
    """Say that the loss has no slope."""
    return (
        f"The loss is {loss} at these parameters, so there is no slope to compare with. An overflow or "
        "the logarithm of 0 does that: start with smaller parameters, or write np.logaddexp, or np.log(p + 1e-12)."
    )


def gradient_not_finite(block: str, broken: int, size: int) -> str:
    """Say in how many entries of a block the gradient is no number."""
    return (
        f"Your gradient for {block} holds NaN or infinity in {broken:,} of {size:,} entries: a 0 is "
        "divided by 0 or its logarithm taken, or an exponential overflows."
    )


def changes_in_place(function: str, changed: Sequence[str]) -> str:
    """Say what a function changes of what it is given."""
    return (
        f"Your {function} changes {_listed(changed)} in place. Here it gets copies; in a training all that is "
        "computed afterwards uses the changed numbers. Write a = a - b for a -= b, or copy first."
    )


def random_loss(first: float, second: float) -> str:
    """Say that two calls of the loss differ, as the beginning of a sentence."""
    return f"Your loss is random: two calls with the same parameters gave {first:.6g} and {second:.6g}"


def random_gradient(apart: float) -> str:
    """Say that two calls of the gradient differ, as the beginning of a sentence."""
    return f"Your gradient is random: two calls with the same parameters differ by {apart:.2g} of its size"


def frozen(what: str) -> str:
    """Say that reseeding makes something random stand still."""
    return (
        f"{what}; dropout and noise do that. With NumPy's random numbers reseeded before every call "
        "(np.random.seed(0)) it stands still, and so it was checked. Loss and gradient must draw the same numbers "
        "in the same order for that."
    )


def stays_random(what: str, loss_is: bool) -> str:
    """Say that it does not."""
    causes = (
        "dropout, noise and random batches" if loss_is else "momentum kept from one call to the next, dropout and noise"
    )
    return (
        f"{what}; {causes} do that. Reseeding NumPy's global random numbers does not "
        "stop it, so it cannot be checked: make the generator inside your functions, rng = np.random.default_rng(0), "
        "or switch the dropout off."
    )


def constant_loss(loss: float, points: int) -> str:
    """Say that the loss is the same everywhere."""
    return (
        f"Your loss does not depend on the parameters: at {points} points far apart it stays {loss:.6g}, so its "
        "gradient is zero. Compute the predictions inside the loss, from the parameters it is given."
    )


def staircase(loss: float) -> str:
    """Say that the loss stands still and jumps."""
    return (
        f"Your loss is a staircase: small changes of the parameters leave it at exactly {loss:.6g}, larger ones make "
        "it jump, so its gradient is zero wherever there is one. Counting mistakes, rounding and thresholds do that: "
        "give the loss that is differentiated, the cross-entropy say, and count mistakes beside it."
    )


def gradient_ignores_data(rows: int, all_rows: int, loss: float, loss_of_fewer: float) -> str:
    """Say that the gradient stays the same with fewer rows, and the loss does not."""
    return (
        f"Your gradient does not use the data it is given: with {rows:,} of the {all_rows:,} rows the loss goes from "
        f"{loss:.6g} to {loss_of_fewer:.6g}, the gradient stays as it is. Does it read a global X, or one that it kept?"
    )


def loss_ignores_data(rows: int, all_rows: int, loss: float, apart: float) -> str:
    """Say that the loss stays the same with fewer rows, and the gradient does not."""
    return (
        f"Your loss does not use the data it is given: with {rows:,} of the {all_rows:,} rows it stays {loss:.6g}, and "
        f"the gradient changes by {apart:.2g} of its size. Does it read a global X, or one that it kept?"
    )


def broadcast_targets(loss: float, shape: tuple[int, ...], rows: int) -> str:
    """Say that targets and outputs make a table of all pairs."""
    return (
        f"Your loss stays {loss:.6g} when the targets change places, so it does not compare each row with its own: "
        f"y has the shape {shape}, and with outputs of shape ({rows}, 1) NumPy makes y - a a table of "
        f"({rows}, {rows}). Give y the shape of the outputs, y.reshape(-1, 1)."
    )


def noisy_loss(precision: str | None, loss: float, noise: float) -> str:
    """Say how many digits of the loss are known."""
    what = f"is computed in {precision}" if precision else "is rougher than float64 is (does float32 come into it?)"
    return (
        f"Your loss {what}: {loss:.6g} is known to ± {noise:.0e}, which makes its slopes uncertain. Where the "
        "table says ?, check again in float64, with X.astype(np.float64) and no float32 inside."
    )


def no_data() -> str:
    """Say what a network has to be given to be recognised."""
    return (
        "Your functions find their data themselves, so it cannot be recognised what network they are, nor which "
        "mistake makes this gradient. Let them take the data, loss(parameters, X, y) and gradient(parameters, X, y), "
        "and give data=(X, y)."
    )


def step_failed(error: str) -> str:
    """Say why nothing is said of the step."""
    return f"Your step was not compared with the gradient: {error}."


def step_not_finite(blocks: Sequence[str]) -> str:
    """Say that the step makes NaN or infinity of finite parameters and a finite gradient."""
    return f"Your step makes NaN or infinity of {_listed(blocks)}, though parameters and gradient are finite there."


def nothing_moves(calls: int) -> str:
    """Say that the step leaves all parameters where they are."""
    return (
        f"Your step changes nothing: in {calls} calls all parameters stay as they are, though they have a gradient. "
        "Let it return the new parameters. Inside a function W = W - rate * dW makes a new W that is forgotten with "
        'the function; W -= rate * dW, or p["W"] = p["W"] - rate * dW, changes the one it was given.'
    )


def never_moves(blocks: Sequence[str]) -> str:
    """Say which blocks the step leaves where they are."""
    verb = "is" if len(blocks) == 1 else "are"
    return f"Your step: {_listed(blocks)} {verb} never updated, though the gradient there is not zero."


def plain_descent(rates: Sequence[tuple[float, Sequence[str]]], before: float, after: float) -> str:
    """Say how many times the gradient the step goes down."""
    course = f"The loss goes from {before:.6g} to {after:.6g}."
    if len(rates) == 1:
        return f"Your step is gradient descent at the rate {rates[0][0]:.6g}. {course}"
    parts = _listed([f"{rate:.6g} in {_listed(names)}" for rate, names in rates], ", and ")
    return f"Your step is gradient descent at different rates: {parts}. Is that meant? {course}"


def too_far(fraction: float, loss: float) -> str:
    """Say that a smaller rate would do."""
    return f"That rate is too large here: at {fraction:.2g} of it the loss falls, to {loss:.6g}."


def goes_uphill(blocks: Sequence[str], rate: float, before: float, after: float) -> str:
    """Say that the step adds the gradient."""
    return (
        f"Your step goes uphill: it adds {rate:.6g} times the gradient to {_listed(blocks)}, and the loss goes from "
        f"{before:.6g} to {after:.6g}. The gradient points to where the loss rises: subtract it, W = W - rate * dW."
    )


def signs_cancel(blocks: Sequence[str], rate: float) -> str:
    """Say that a step which adds a gradient of the wrong sign goes the right way."""
    return (
        f"Your step adds {rate:.6g} times your gradient to {_listed(blocks)} and goes downhill all the same, as the "
        "sign of your gradient is wrong too. Mend both: the derivative of the loss, and W = W - rate * dW."
    )


def _listed(names: Sequence[str], last: str = " and ") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}{last}{names[-1]}"
