"""Do other gradient checks notice the same mistakes, and do they accuse correct networks?

`python -m benchmarks.forensics.peers`. All are given the same loss and the same hand-written gradient, of one flat
float64 vector, and check it at the start:

    SciPy       check_grad: forward differences of all entries, one error for all. It documents no threshold; relative
                to the gradient's norm 1e-6 is customary, and 1e-4 where there may be kinks
    autograd    check_grads of a primitive whose vjp is the hand-written gradient, first order: a central difference
                along one random direction, to 1e-6 absolutely or relatively, as it is hard-wired
    PyTorch     gradcheck of a Function whose backward is the hand-written gradient: central differences of all entries,
                to 1e-3 relatively and 1e-5 absolutely, its defaults
    unstuck     check_gradient; "?" accuses nobody and notices nothing. explain_gradient, which looks around the start
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import click
import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table
from scipy.optimize import approx_fprime, check_grad

from benchmarks.forensics.__main__ import RESULTS, with_mistakes
from benchmarks.forensics.written import Written, draw
from unstuck import HandWritten, SubjectError, __version__, check_gradient, explain_gradient

GROUPS = ("all that is drawn", "ReLU, zero biases", "ReLU, zero biases, some rows zero")
SHARE_ZERO = 0.2
"""Of the rows in the last group: at them every pre-activation of the first layer lies on the kink."""


def scipy_accuses(subject: HandWritten, tolerance: float) -> bool:
    error = check_grad(subject.cost, subject.gradient, subject.w)
    numeric = approx_fprime(subject.w, subject.cost)
    return not error <= tolerance * max(np.linalg.norm(numeric), np.linalg.norm(subject.gradient(subject.w)))


def autograd_accuses(subject: HandWritten) -> bool:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    cost = primitive(subject.cost)
    defvjp(cost, lambda _, w: lambda v: v * subject.gradient(w))
    np.random.seed(0)  # noqa: NPY002  # it draws its direction from the global random numbers
    try:
        check_grads(cost, modes=["rev"], order=1)(subject.w)
    except AssertionError:
        return True
    return False


def pytorch_accuses(subject: HandWritten) -> bool:
    import torch

    class Cost(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, w: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(w)
            return torch.tensor(subject.cost(w.detach().numpy()), dtype=torch.float64)

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, v: torch.Tensor) -> torch.Tensor:
            (w,) = ctx.saved_tensors  # type: ignore[attr-defined]
            return v * torch.from_numpy(subject.gradient(w.detach().numpy()))

    w = torch.tensor(subject.w, requires_grad=True)
    return not torch.autograd.gradcheck(Cost.apply, (w,), raise_exception=False)


TOOLS: dict[str, tuple[str, Callable[[HandWritten], bool]]] = {
    "SciPy check_grad, 1e-6": ("scipy", lambda subject: scipy_accuses(subject, 1e-6)),
    "SciPy check_grad, 1e-4": ("scipy", lambda subject: scipy_accuses(subject, 1e-4)),
    "autograd check_grads": ("autograd", autograd_accuses),
    "PyTorch gradcheck": ("torch", pytorch_accuses),
    "unstuck check_gradient": ("unstuck", lambda subject: check_gradient(subject).verdict == "WRONG"),
    "unstuck explain_gradient": ("unstuck", lambda subject: not explain_gradient(subject).right),
}


@dataclass(frozen=True)
class Row:
    """What a tool said of a group's networks: the shares of wrong ones noticed and of correct ones accused."""

    group: str
    tool: str
    version: str
    wrong: int
    noticed: float
    right: int
    accused: float
    median_s: float


def drawn(group: str, seed: int) -> tuple[Written, Written] | None:
    """Return a correct network and the same with one mistake."""
    random = np.random.default_rng([seed, GROUPS.index(group)])
    network = draw(random)
    if group != GROUPS[0]:
        while network.depth == 1:
            network = draw(random)
        f = str(random.choice(["relu", "leaky_relu"]))
        start = {name: array * (name[0] == "W") for name, array in network.start.items()}
        network = replace(network, hidden=(f,) * (network.depth - 1), start=start)
    if group == GROUPS[2]:
        kept = random.random((len(network.X), 1)) >= SHARE_ZERO
        network = replace(network, X=network.X * kept)
    wrong = with_mistakes(network, 1, random)
    return None if wrong is None else (network, wrong)


def judged(group: str, seed: int, tools: tuple[str, ...]) -> dict[str, tuple[bool, bool, float]]:
    """Return, by tool, whether the correct network is accused, whether the mistake is noticed, and the seconds."""
    pair = drawn(group, seed)
    said: dict[str, tuple[bool, bool, float]] = {}
    if pair is None:
        return said
    right, wrong = (HandWritten(one.parameters(), loss=one.loss, gradient=one.gradient, data=one.data) for one in pair)
    for tool in tools:
        accuses = TOOLS[tool][1]
        started = time.perf_counter()
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                verdicts = accuses(right), accuses(wrong)
            except SubjectError:
                continue
        said[tool] = *verdicts, (time.perf_counter() - started) / 2
    return said


def rows_of(group: str, networks: int, tools: dict[str, str]) -> list[Row]:
    said = Parallel(n_jobs=-1)(delayed(judged)(group, seed, tuple(tools)) for seed in range(networks))
    rows = []
    for tool, installed in tools.items():
        verdicts = [one[tool] for one in said if tool in one]
        accused, noticed, seconds = (np.array(column) for column in zip(*verdicts, strict=True))
        count = len(verdicts)
        rows.append(
            Row(group, tool, installed, count, noticed.mean(), count, accused.mean(), float(np.median(seconds)))
        )
    return rows


@click.command()
@click.option("--networks", default=300, show_default=True, help="Of each group, each right and with one mistake.")
def main(networks: int) -> None:
    """Compare gradient checks."""
    console = Console()
    tools = {}
    for tool, (package, _) in TOOLS.items():
        try:
            tools[tool] = __version__ if package == "unstuck" else version(package)
        except PackageNotFoundError:
            console.print(f"{package} is not installed: {tool} is left out")
    table = Table("checked by", "networks", "wrong ones noticed", "correct ones accused", "seconds (median)")
    rows: list[Row] = []
    for group in GROUPS:
        rows += rows_of(group, networks, tools)
    for row in rows:
        if row.tool == next(iter(tools)):
            table.add_section()
            table.add_row(f"[bold]{row.group}")
        table.add_row(
            f"{row.tool} ({row.version})", str(row.right), f"{row.noticed:.1%}", f"{row.accused:.1%}",
            f"{row.median_s:.3f}",
        )  # fmt: skip
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / "forensics_peers.json"
    before = json.loads(kept.read_text()) if kept.exists() else []
    kept.write_text(json.dumps(before + [asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
