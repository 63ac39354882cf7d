"""The mistake in a hand-written gradient is named; nothing is said where no known mistake makes its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.forensics.__main__ import expected, with_mistakes
from benchmarks.forensics.written import OUTSIDE, Injected, Written, draw, possible

from unstuck import Explanation, HandWritten, SubjectError, explain_gradient
from unstuck.cases import case4_xor, case5_mnist
from unstuck.data.generators import classification, parabola, xor

Parameters = dict[str, np.ndarray]
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(30, 3)), RANDOM.normal(size=(30, 2))


def said_of(network: Written) -> Explanation:
    return explain_gradient(
        HandWritten(network.parameters(), loss=network.loss, gradient=network.gradient, data=network.data)
    )


@pytest.mark.parametrize("seed", range(30))
def test_a_right_gradient_is_not_accused(seed: int) -> None:
    assert said_of(draw(np.random.default_rng(seed))).right


THREE_LAYERS = Written(
    widths=(3, 5, 5, 2),
    hidden=("tanh", "tanh"),
    output="sigmoid",
    loss_name="squared_error",
    half=False,
    averaged=True,
    penalty=0.01,
    on_biases=False,
    in_columns=False,
    X=X,
    Y=(Y > 0) * 1.0,
    start={
        f"{name}{k}": RANDOM.normal(size=shape) / 2
        for k, (i, o) in enumerate([(3, 5), (5, 5), (5, 2)], start=1)
        for name, shape in (("W", (i, o)), ("b", (o,)))
    },
)


OF_ANOTHER = (
    Injected("derivative of sigmoid", 3),  # its own, and no mistake
    Injected("a - y", 3),  # half of a derivative left out: tested by itself
)
CATALOGUE = [mistake for mistake in possible(THREE_LAYERS) if mistake not in OF_ANOTHER]


@pytest.mark.parametrize("in_columns", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda one: f"{one.kind} {one.layer}")
def test_every_mistake_of_the_catalogue(mistake: Injected, in_columns: bool) -> None:
    said = said_of(replace(THREE_LAYERS, mistakes=(mistake,), in_columns=in_columns))
    assert [(one.kind, one.layer) for one in said.mistakes] == [expected(mistake)]
    assert not said.unexplained


@pytest.mark.parametrize("half", [False, True], ids=["the square", "half the square"])
def test_a_minus_y_as_delta_is_one_mistake_and_not_a_derivative_left_out_and_a_factor(half: bool) -> None:
    network = replace(THREE_LAYERS, output="tanh", half=half, mistakes=(Injected("a - y", 3),))
    assert [(one.kind, one.layer) for one in said_of(network).mistakes] == [("a - y", 3)]
    network = replace(network, mistakes=(Injected("derivative left out", 3),))
    assert [(one.kind, one.layer) for one in said_of(network).mistakes] == [("derivative left out", 3)]


@pytest.mark.parametrize("factor", [-1.0, 1 / 30], ids=["negative", "over n"])
def test_the_penalty_tells_a_factor_of_the_whole_from_one_of_the_data(factor: float) -> None:
    kinds = {-1.0: "factor -1", 1 / 30: "factor 1/n"}
    made = (Injected("a - y", 3), Injected(kinds[factor], 0))
    said = said_of(replace(THREE_LAYERS, output="tanh", on_biases=True, mistakes=made))
    assert sorted((one.kind, one.layer) for one in said.mistakes) == [("a - y", 3), ("factor", 0)]


def test_pairs_of_mistakes() -> None:
    random = np.random.default_rng(7)
    networks = [with_mistakes(draw(random), 2, random) for _ in range(20)]
    explained = [said_of(network) for network in networks if network is not None]
    assert np.mean([len(said.mistakes) == 2 and not said.unexplained for said in explained]) >= 0.85


@pytest.mark.parametrize("outside", OUTSIDE)
def test_what_is_in_no_catalogue_stays_unexplained(outside: str) -> None:
    said = said_of(replace(THREE_LAYERS, outside=outside))
    assert said.mistakes == ()
    assert said.unexplained == said.wrong != ()
    assert "of its entries are wrong" in said.evidence[0]


def test_the_right_lines_are_shown_in_the_orientation_of_the_code() -> None:
    said = said_of(replace(THREE_LAYERS, mistakes=(Injected("derivative left out", 2),), in_columns=True))
    assert said.lines == (
        "delta3 = 2 * (a3 - Y) / 30 * a3 * (1 - a3)",
        "dW3 = delta3 @ a2.T + 0.01 * W3",
        "db3 = delta3.sum(axis=1, keepdims=True)",
        "delta2 = (W3.T @ delta3) * (1 - a2**2)",
        "dW2 = delta2 @ a1.T + 0.01 * W2",
        "db2 = delta2.sum(axis=1, keepdims=True)",
        "delta1 = (W2.T @ delta2) * (1 - a1**2)",
        "dW1 = delta1 @ X.T + 0.01 * W1",
        "db1 = delta1.sum(axis=1, keepdims=True)",
    )


# The five cases


def test_case_2_never_differentiates_its_relu_and_forgets_the_masks_scale() -> None:
    data = classification()
    rows, targets = data.X[:200], np.eye(4)[data.y[:200]]
    mask = RANDOM.integers(2, size=(200, 10)).astype(float)

    def hidden(p: Parameters, X: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.maximum(X @ p["W1"], 0) * mask * 2

    def loss(p: Parameters, X: np.ndarray, Y: np.ndarray, mask: np.ndarray) -> float:
        return np.sum((hidden(p, X, mask) @ p["W2"] - Y) ** 2) / 2

    def gradient(p: Parameters, X: np.ndarray, Y: np.ndarray, mask: np.ndarray) -> Parameters:
        h = hidden(p, X, mask)
        delta2 = h @ p["W2"] - Y
        delta1 = (delta2 @ p["W2"].T) * mask
        return {"W1": X.T @ delta1, "W2": h.T @ delta2}

    start = {"W1": RANDOM.uniform(-0.1, 0.1, (5, 10)), "W2": RANDOM.uniform(-0.1, 0.1, (10, 4))}
    said = explain_gradient(HandWritten(start, loss=loss, gradient=gradient, data=(rows, targets, mask)))
    assert [one.kind for one in said.mistakes] == ["derivative left out", "dropout scale forgotten"]
    assert said.wrong == ("W1",)


@pytest.mark.parametrize("with_decay", [False, True], ids=["as it is checked", "as it updates"])
def test_case_3_has_the_penalty_of_another_cost(with_decay: bool) -> None:
    x, y = parabola(201)
    decay = 1e-8 / 201

    def f(z: np.ndarray) -> np.ndarray:
        return np.where(z > 0, z, 0.01 * z)

    def slope(z: np.ndarray) -> np.ndarray:
        return np.where(z > 0, 1, 0.01)

    def loss(p: Parameters, X: np.ndarray, y: np.ndarray) -> float:
        outputs = f(f(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])
        return np.mean((outputs - y) ** 2) + decay / 2 * (p["W1"].sum() + p["W2"].sum())

    def gradient(p: Parameters, X: np.ndarray, y: np.ndarray) -> Parameters:
        z1 = X @ p["W1"] + p["b1"]
        h = f(z1)
        z2 = h @ p["W2"] + p["b2"]
        delta2 = 2 * (f(z2) - y) / len(X) * slope(z2)
        delta1 = delta2 @ p["W2"].T * slope(z1)
        g = {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}
        return {name: g[name] + with_decay * (name[0] == "W") * decay * p[name] for name in g}

    start = {
        "W1": RANDOM.normal(size=(1, 64)) * np.sqrt(2),
        "b1": np.zeros(64),
        "W2": RANDOM.normal(size=(64, 1)) / np.sqrt(32),
        "b2": np.zeros(1),
    }
    said = explain_gradient(HandWritten(start, loss=loss, gradient=gradient, data=(x, y[:, None])))
    kinds = {one.kind: one.blocks for one in said.mistakes}
    assert kinds == {"penalty missing": ("W2", "W1")} | (
        {"penalty not in the loss": ("W2", "W1")} if with_decay else {}
    )


def test_case_4_is_disconnected() -> None:
    X, y = xor(copies=2)
    subject = HandWritten(
        np.random.default_rng(0).uniform(0, 1, 12),
        loss=lambda w, X, Y: case4_xor.cost(w, case4_xor.outputs(w, X), Y),
        gradient=lambda w, X, Y: case4_xor.gradient(w),
        data=(X, np.eye(2)[y]),
        shapes={"W1": (2, 2), "b1": (2,), "W2": (2, 2), "b2": (2,)},
    )
    assert [one.kind for one in explain_gradient(subject).mistakes] == ["disconnected"]


def test_case_5_makes_its_four_mistakes() -> None:
    inputs = RANDOM.uniform(size=(40, 30))
    targets = np.eye(10)[RANDOM.integers(10, size=40)]
    network = case5_mnist.HandWritten(30)
    subject = HandWritten(
        RANDOM.normal(size=network.size) / 10,
        loss=network.cost,
        gradient=network.gradient,
        data=(inputs, targets),
        shapes=dict(zip(("W1", "b1", "W2", "b2"), network.shapes, strict=True)),
    )
    said = explain_gradient(subject)
    assert [(one.kind, one.layer, one.blocks) for one in said.mistakes] == [
        ("derivative left out", 2, ("W1", "b1")),  # on the way back
        ("derivative left out", 2, ("b2",)),
        ("derivative left out", 1, ("b1",)),
        ("penalty factor", 0, ("W2", "W1")),
        ("penalty missing", 0, ("b2", "b1")),
    ]
    assert str(said.recognised) == (
        "30-300-10, sigmoid, sigmoid; loss = half the squared error summed over the outputs, averaged over the rows "
        "+ 0.0005 sum W² + 0.0005 sum b²"
    )


# Networks that are not recognised: relations with the numeric gradient


def cubed(p: Parameters, X: np.ndarray, Y: np.ndarray) -> float:
    return float(np.mean(np.abs(np.sin(X @ p["V"]) @ p["W"] + p["b"] - Y) ** 3) + 0.05 * np.sum(p["W"] ** 2))


def right(p: Parameters, X: np.ndarray, Y: np.ndarray) -> Parameters:
    s = np.sin(X @ p["V"])
    e = s @ p["W"] + p["b"] - Y
    delta = 3 * e * np.abs(e) / e.size
    back = delta @ p["W"].T * np.cos(X @ p["V"])
    return {"V": X.T @ back, "W": s.T @ delta + 0.1 * p["W"], "b": delta.sum(axis=0)}


before: list[Parameters] = []


def one_step_late(g: Parameters, *arguments: object) -> Parameters:
    before.append(g)
    return before[-2] if len(before) > 1 else g


CHANGES: dict[str, tuple[Callable[[Parameters, Parameters], Parameters], str]] = {
    "factor": (lambda g, p: g | {"W": 3 * g["W"]}, "W is 3 times the right gradient"),
    "missing": (lambda g, p: g | {"V": 0 * g["V"]}, "V is zero: its gradient is missing"),
    "transposed": (lambda g, p: g | {"V": g["V"].T}, "V is the transpose of the right gradient"),
    "left over": (lambda g, p: g | {"W": g["W"] - 0.1 * p["W"]}, "W is the right gradient and -0.1 w"),
    "penalty alone": (lambda g, p: g | {"W": 0.1 * p["W"]}, "W is 0.1 w and nothing else: the data do not reach it"),
    "other block": (lambda g, p: g | {"W": g["V"]}, "W holds the gradient of V"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_relations_without_knowing_the_network(kind: str) -> None:
    change, text = CHANGES[kind]
    start = {"V": RANDOM.normal(size=(3, 3)), "W": RANDOM.normal(size=(3, 3)), "b": RANDOM.normal(size=3)}
    targets = RANDOM.normal(size=(30, 3))
    subject = HandWritten(start, loss=cubed, gradient=lambda p, X, Y: change(right(p, X, Y), p), data=(X, targets))
    said = explain_gradient(subject)
    assert said.recognised is None
    assert [(one.kind, one.text) for one in said.mistakes] == [(kind, text)]


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (
            lambda g: {name: 3 * array for name, array in g.items()},
            {"every block is 3 times the right gradient": ("V", "W", "b")},
        ),
        (
            lambda g: g | {"V": 3 * g["V"], "b": 3 * g["b"]},
            {"each of V and b is 3 times the right gradient": ("V", "b")},
        ),
        (
            lambda g: {"V": -g["V"], "W": 2 * g["W"], "b": -g["b"]},
            {
                "each of V and b is -1 times the right gradient": ("V", "b"),
                "W is 2 times the right gradient": ("W",),
            },
        ),
        (
            lambda g: g | {"W": 0 * g["W"], "b": 0 * g["b"]},
            {"each of W and b is zero: its gradient is missing": ("W", "b")},
        ),
    ],
    ids=["all", "some", "two factors", "missing"],
)
def test_what_several_blocks_have_in_common_is_told_once(
    change: Callable[[Parameters], Parameters], texts: dict[str, tuple[str, ...]]
) -> None:
    start = {"V": RANDOM.normal(size=(3, 4)), "W": RANDOM.normal(size=(4, 2)), "b": RANDOM.normal(size=2)}
    subject = HandWritten(start, loss=cubed, gradient=lambda p, X, Y: change(right(p, X, Y)), data=(X, Y))
    assert {one.text: one.blocks for one in explain_gradient(subject).mistakes} == texts


def test_a_gradient_that_is_one_call_late() -> None:
    start = {"V": RANDOM.normal(size=(3, 4)), "W": RANDOM.normal(size=(4, 2)), "b": RANDOM.normal(size=2)}
    subject = HandWritten(start, loss=cubed, gradient=lambda p, X, Y: one_step_late(right(p, X, Y)), data=(X, Y))
    assert {one.kind for one in explain_gradient(subject).mistakes} == {"point before"}


def test_a_gradient_that_is_not_finite() -> None:
    subject = HandWritten({"w": 1.0}, loss=lambda p: p["w"] ** 2, gradient=lambda p: {"w": np.nan})
    with pytest.raises(SubjectError, match="not finite at the start"):
        explain_gradient(subject)


# What cannot be judged


def test_a_random_loss_is_not_explained() -> None:
    noise = np.random.default_rng()
    start = {"W": np.ones((3, 2))}
    subject = HandWritten(
        start,
        loss=lambda p, X, Y: np.mean((X @ p["W"] * noise.integers(2, size=(30, 2)) - Y) ** 2),
        gradient=lambda p, X, Y: {"W": X.T @ (X @ p["W"] - Y)},
        data=(X, Y),
    )
    said = explain_gradient(subject)
    assert (said.right, said.mistakes) == (False, ())
    assert str(said).startswith("nothing can be said of the mistake: ")


@pytest.mark.parametrize("factor", [1, 2])
def test_a_large_network_that_is_not_recognised(factor: int) -> None:
    start = {"V": RANDOM.normal(size=(3, 300)), "W": RANDOM.normal(size=(300, 2)) / 9, "b": RANDOM.normal(size=2)}

    def gradient(p: Parameters, X: np.ndarray, Y: np.ndarray) -> Parameters:
        g = right(p, X, Y)
        return g | {"W": factor * g["W"]}

    said = explain_gradient(HandWritten(start, loss=cubed, gradient=gradient, data=(X, Y)))
    assert said.recognised is None
    assert said.wrong == said.unexplained == (() if factor == 1 else ("W",))


@pytest.mark.parametrize("seed", range(8))
def test_single_precision_is_not_accused(seed: int) -> None:
    network = draw(np.random.default_rng(seed))

    def in_single(p: Parameters) -> Parameters:
        return {name: array.astype(np.float32) for name, array in p.items()}

    subject = HandWritten(
        network.parameters(),
        loss=lambda p, X, Y: np.float32(network.loss(in_single(p), X, Y)),
        gradient=lambda p, X, Y: in_single(network.gradient(in_single(p), X, Y)),
        data=tuple(part.astype(np.float32) for part in network.data),
    )
    said = explain_gradient(subject)
    assert said.wrong == ()


def test_many_rows_are_not_needed() -> None:
    many, targets = RANDOM.normal(size=(100_000, 3)), RANDOM.normal(size=(100_000, 2))
    network = replace(THREE_LAYERS, X=many, Y=targets, mistakes=(Injected("derivative left out", 2),))
    said = said_of(network)
    assert [(one.kind, one.layer) for one in said.mistakes] == [("derivative left out", 2)]


def test_numpy_s_global_numbers_go_on_as_if_nothing_had_been() -> None:
    def noisy(p: Parameters, X: np.ndarray, Y: np.ndarray) -> float:
        return float(np.sum((X @ p["W"] - Y + np.random.normal(size=Y.shape)) ** 2))  # noqa: NPY002

    def gradient(p: Parameters, X: np.ndarray, Y: np.ndarray) -> Parameters:
        return {"W": 2 * X.T @ (X @ p["W"] - Y + np.random.normal(size=Y.shape))}  # noqa: NPY002

    before = np.random.get_state()[1].copy()  # noqa: NPY002
    subject = HandWritten({"W": np.ones((3, 2))}, loss=noisy, gradient=gradient, data=(X, Y))
    assert explain_gradient(subject).right
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("way", ["rows one by one", "list of pairs"])
def test_samples_that_are_columns(way: str) -> None:
    pairs = [(x[:, None], y[:, None]) for x, y in zip(X, Y, strict=True)]

    def loss(p: dict[str, list[np.ndarray]], x: np.ndarray, y: np.ndarray) -> float:
        W1, W2 = p["weights"]
        return float(0.5 * np.sum((W2 @ sigmoid(W1 @ x) - y) ** 2))

    def gradient(p: dict[str, list[np.ndarray]], x: np.ndarray, y: np.ndarray) -> dict[str, list[np.ndarray]]:
        W1, W2 = p["weights"]
        a = sigmoid(W1 @ x)
        delta = W2 @ a - y
        return {"weights": [W2.T @ delta @ x.T, delta @ a.T]}

    start = {"weights": [RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(2, 5))]}
    if way == "rows one by one":
        data = tuple(zip(*pairs, strict=True))
        subject = HandWritten(start, loss=loss, gradient=gradient, data=data, per_row="mean")
    else:
        subject = HandWritten(
            start,
            loss=lambda p, rows: sum(loss(p, x, y) for x, y in rows),
            gradient=lambda p, rows: {
                "weights": [sum(g) for g in zip(*(gradient(p, x, y)["weights"] for x, y in rows), strict=True)]
            },
            data=(pairs,),
        )
    said = explain_gradient(subject)
    assert [one.text for one in said.mistakes] == ["layer 1: the derivative of the sigmoid is left out"]
    assert "dweights[1] = delta2 @ a1.T" in said.lines


# What was noticed about the functions ------------------------------------------------------------------------------


def one_output(compare: Callable[[np.ndarray, np.ndarray], float], y: np.ndarray) -> HandWritten:
    """A sigmoid with the delta of the cross-entropy, and any loss of its outputs (n, 1)."""

    def forward(p: Parameters, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h = np.tanh(X @ p["W1"])
        return h, 1 / (1 + np.exp(-h @ p["W2"]))

    def gradient(p: Parameters, X: np.ndarray, y: np.ndarray) -> Parameters:
        h, a = forward(p, X)
        delta2 = (a - y.reshape(-1, 1)) / len(X)
        return {"W1": X.T @ (delta2 @ p["W2"].T * (1 - h**2)), "W2": h.T @ delta2}

    start = {"W1": np.random.default_rng(1).normal(size=(3, 4)), "W2": np.random.default_rng(2).normal(size=(4, 1))}
    return HandWritten(start, loss=lambda p, X, y: compare(forward(p, X)[1], y), gradient=gradient, data=(X, y))


def cross_entropy(a: np.ndarray, y: np.ndarray) -> float:
    return float(-np.mean(y * np.log(a) + (1 - y) * np.log(1 - a)))


YES = (Y[:, 0] > 0) * 1.0


def test_targets_that_are_broadcast_are_told_with_the_mistake() -> None:
    said = explain_gradient(one_output(cross_entropy, YES))
    assert said.wrong
    assert "NumPy makes y - a a table of (30, 30)" in str(said).replace("\n  ", " ")
    assert not explain_gradient(one_output(cross_entropy, YES[:, None])).notes


def test_a_loss_that_counts_mistakes_is_told_as_a_staircase() -> None:
    said = explain_gradient(one_output(lambda a, y: float(np.mean((a > 0.5) != y)), YES[:, None]))
    assert said.wrong == ("W1", "W2")
    assert "Your loss is a staircase" in str(said)
    assert "inf" not in str(said)


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_a_loss_that_its_outputs_do_not_reach_is_no_network(penalty: float) -> None:
    def loss(p: Parameters, X: np.ndarray, y: np.ndarray) -> float:
        return 1.0 + penalty * float(np.sum(p["W"] ** 2))

    ones = HandWritten(
        {"W": np.ones((2, 1))}, loss=loss, gradient=lambda p, X, y: p, data=(np.ones((3, 2)), np.ones(3))
    )
    said = explain_gradient(ones)
    assert said.recognised is None
    assert said.lines == ()
    assert ("Your loss does not depend on the parameters" in str(said)) == (penalty == 0)
