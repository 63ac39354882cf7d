"""A network in somebody's own NumPy is called as its writer meant it, and cannot do harm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from tests.straight_line import P, X, gradient, line, loss, y

from unstuck import HandWritten, SubjectError

EXPECTED = np.append(gradient(P, X, y)["w"], gradient(P, X, y)["b"])


def test_loss_and_gradient_at_the_start_and_elsewhere():
    subject = line()
    assert subject.w.tolist() == [1, 1, 1, 0.5]
    assert subject.cost(subject.w) == loss(P, X, y)
    assert subject.gradient(subject.w).tolist() == EXPECTED.tolist()
    assert subject.cost(np.zeros(4)) == np.mean(y**2)
    assert subject.cost(subject.w, (X[:5], y[:5])) == loss(P, X[:5], y[:5])
    assert subject.with_data((X[:5], y[:5])).gradient(subject.w)[3] == gradient(P, X[:5], y[:5])["b"]


@pytest.mark.parametrize(("per_row", "rows"), [("mean", 40), ("sum", 1)])
def test_functions_of_one_row(per_row, rows):
    def one(p, x, y):
        return (x @ p["w"] + p["b"] - y) ** 2

    def gradient_of_one(p, x, y):
        assert x.shape == (3,)
        delta = 2 * (x @ p["w"] + p["b"] - y)
        return {"w": x * delta, "b": delta}

    subject = line(loss=one, gradient=gradient_of_one, per_row=per_row)
    assert subject.cost(subject.w) == pytest.approx(40 / rows * loss(P, X, y))
    np.testing.assert_allclose(subject.gradient(subject.w), 40 / rows * EXPECTED)


@pytest.mark.parametrize("as_arrays", [True, False], ids=["arrays", "lists of columns"])
def test_an_object_whose_methods_take_one_column_at_a_time(as_arrays):
    class Line:
        def __init__(self):
            self.weights, self.biases = [np.ones((1, 3))], [np.full((1, 1), 0.5)]

        def cost(self, x, y):
            return float(((self.weights[0] @ x + self.biases[0] - y) ** 2).item())

        def backprop(self, x, y):
            assert x.shape == (3, 1)
            delta = 2 * (self.weights[0] @ x + self.biases[0] - y)
            return [delta @ x.T], [delta]

    columns = (X[:, :, None], y[:, None, None])
    data = columns if as_arrays else tuple(map(list, columns))
    subject = HandWritten.of_object(Line(), loss="cost", gradient="backprop", data=data, per_row="mean")
    assert subject.cost(subject.w) == pytest.approx(loss(P, X, y))
    np.testing.assert_allclose(subject.gradient(subject.w), EXPECTED)


def test_one_reseeding_serves_all_rows():
    subject = line(loss=lambda p, x, y: np.random.rand(), per_row="mean", seed=3)  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand(len(X)).mean()  # noqa: NPY002
    assert subject.cost(subject.w) == pytest.approx(expected) == subject.cost(subject.w)


@pytest.mark.parametrize("data", [(), (X, y[:5]), (X, 3.0), (X[:0], y[:0])])
def test_functions_of_one_row_need_rows(data):
    with pytest.raises(SubjectError, match="give as many of each"):
        line(per_row="mean", data=data)


def test_functions_that_change_what_they_are_given():
    def careless(p, X, y):
        p["w"] -= 1
        p["b"] = 7
        X /= 2
        return 0.0

    theirs = X.copy()
    subject = line(loss=careless, data=(theirs, y)).with_data_copied()
    assert subject.changes(subject.w) == {"loss": ["w", "b", "data[0]"], "gradient": []}
    subject.cost(subject.w)
    assert (theirs == X).all()
    assert subject.w.tolist() == [1, 1, 1, 0.5]
    assert P["w"].tolist() == [1, 1, 1]


class Network:
    """Its gradients are left in attributes."""

    def __init__(self):
        self.W, self.b, self.rate, self.calls = np.ones(3), np.array(0.5), 0.1, []

    def loss(self, X, y):
        return loss({"w": self.W, "b": self.b}, X, y)

    def backward(self, X, y):
        found = gradient({"w": self.W, "b": self.b}, X, y)
        self.dW, self.db = found["w"], found["b"]

    def nowhere(self, X, y):
        """Forget the gradient."""

    def as_dict(self, X, y):
        self.backward(X, y)
        return {"W": self.dW, "b": self.db}

    def as_list(self, X, y):
        self.backward(X, y)
        return [self.dW, self.db]

    def predict(self, X):
        return X @ self.W + self.b


@pytest.mark.parametrize("method", ["backward", "as_dict", "as_list"])
def test_an_object(method):
    network = Network()
    subject = HandWritten.of_object(network, loss="loss", gradient=method, predict="predict", data=(X, y))
    assert [block.name for block in subject.blocks] == ["W", "b"]
    assert subject.cost(subject.w) == loss(P, X, y)
    np.testing.assert_allclose(subject.gradient(subject.w), EXPECTED)
    np.testing.assert_allclose(subject.outputs(np.zeros(4)), 0)
    assert network.W.tolist() == [1, 1, 1]
    assert not hasattr(network, "dW")


class Caching(Network):
    """Keeps what it computes on the way forward, and its number of units as an array."""

    def __init__(self):
        super().__init__()
        self.filled = np.zeros(len(X))

    def loss(self, X, y):
        self.output = X @ self.W + self.b
        self.filled[:] = self.output
        return np.mean((self.output - y) ** 2)

    def backward(self, X, y):
        self.delta = 2 * (self.output - y) / len(y)
        self.dW, self.db = X.T @ self.delta, self.delta.sum()


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_what_an_object_keeps_from_its_last_call_is_no_parameter(runs):
    network = Caching()
    for _ in range(runs):
        network.loss(X, y)
        network.backward(X, y)
    subject = HandWritten.of_object(network, loss="loss", gradient="backward", data=(X, y))
    assert [block.name for block in subject.blocks] == ["W", "b"]
    np.testing.assert_allclose(subject.gradient(subject.w), EXPECTED)
    np.testing.assert_allclose(subject.gradient(np.zeros(4))[3], -2 * y.mean())  # of a new way forward


def test_parameters_that_the_loss_itself_overwrites_stay_parameters():
    class Updating(Network):
        def loss(self, X, y):
            found = super().loss(X, y)
            self.backward(X, y)
            self.W, self.b = self.W - 0.1 * self.dW, self.b - 0.1 * self.db
            return found

    subject = HandWritten.of_object(Updating(), loss="loss", data=(X, y))
    assert [block.name for block in subject.blocks] == ["W", "b"]


def test_an_object_s_names_are_checked():
    with pytest.raises(SubjectError, match="no attribute 'los'; did you mean 'loss'"):
        HandWritten.of_object(Network(), loss="los")
    subject = HandWritten.of_object(Network(), loss="loss", gradient="nowhere", data=(X, y))
    with pytest.raises(SubjectError, match=r"say where it is left, gradients=\{'W': ...\}"):
        subject.gradient(subject.w)


def test_a_step_of_the_writer_s():
    subject = line(step=lambda p, X, y: {name: p[name] - 0.1 * g for name, g in gradient(p, X, y).items()})
    np.testing.assert_allclose(subject.after_step(subject.w), subject.w - 0.1 * EXPECTED)


def typo(p, X, y):
    return X @ missing  # noqa: F821


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": 3}, "loss must be a function"),
        ({"per_row": "max"}, 'must be "mean", "sum" or None'),
        ({"data": X}, r"as a tuple: data=\(X, y\); got one array of shape \(40, 3\)"),
        ({"parameters": {"w": np.array([1, np.nan])}}, "w holds numbers that are not finite"),
    ],
)
def test_what_is_no_network_is_refused(changed, message):
    with pytest.raises(SubjectError, match=message):
        line(**changed)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda p, X, y: None, "returned None: has it a return?"),
        (lambda p, X, y: X @ p["w"], r"an array of shape \(40,\); .* the mean or the sum"),
        (lambda p, X, y: 1j, r"returned 1j; a gradient is that of one real number"),
        (lambda p, X, y: "low", "returned 'low'"),
        (lambda p, X: 1.0, r"your loss raised TypeError: .* data of shapes \(40, 3\), \(40,\)"),
        (
            typo,
            r"NameError: name 'missing' is not defined \(line \d+ of test_handwritten.py, return X @ missing.*; called "
            r"with the parameters w \(3,\), b \(\) and data of shapes \(40, 3\), \(40,\)\)$",
        ),
    ],
)
def test_a_loss_that_is_none(wrong, message):
    subject = line(loss=wrong)
    with pytest.raises(SubjectError, match=message):
        subject.cost(subject.w)


def test_the_writer_s_own_error_is_the_cause():
    subject = line(gradient=typo)
    with pytest.raises(SubjectError) as raised:
        subject.gradient(subject.w)
    cause = raised.value.__cause__
    assert isinstance(cause, NameError)
    assert cause.__traceback__.tb_next.tb_frame.f_code.co_name == "typo"


def test_a_gradient_that_is_missing():
    subject = line(gradient=None)
    assert not subject.has_gradient
    with pytest.raises(SubjectError, match="give gradient="):
        subject.gradient(subject.w)
    subject = line(gradient=lambda p, X, y: None)
    with pytest.raises(SubjectError, match="your gradient returned None"):
        subject.gradient(subject.w)


def test_parameters_elsewhere():
    subject = line()
    assert subject.vector(np.arange(4)).tolist() == [0, 1, 2, 3]
    assert subject.vector({"w": np.zeros(3), "b": 1.0}).tolist() == [0, 0, 0, 1]
    with pytest.raises(SubjectError, match="the parameters lack"):
        subject.vector(np.arange(5.0))


def test_a_loss_that_bears_no_complex_parameters_is_not_a_number_there():
    assert line().complex_cost(np.ones(4) + 0j) == pytest.approx(loss({"w": np.ones(3), "b": 1.0}, X, y))
    assert np.isnan(line(loss=lambda p, X, y: float(p["b"])).complex_cost(np.ones(4) + 0j).real)


def test_a_gradient_may_be_called_by_its_own_names():
    subject = HandWritten(
        {"W": np.ones(2), "b": 1.0},
        loss=lambda p: float(np.sum(p["W"] ** 2) + p["b"]),
        gradient=lambda p: {"dA": np.ones(7), "dW": 2 * p["W"], "db": 1.0},
    )
    assert subject.gradient(subject.w).tolist() == [2.0, 2.0, 1.0]


class Lists:
    """Its weights in lists, as its activations are."""

    def __init__(self):
        self.sizes, self.weights, self.biases = (
            [3, 2, 1],
            [np.ones((3, 2)), np.ones((2, 1))],
            [np.zeros(2), np.zeros(1)],
        )

    def cost(self, X, y):
        self.activations = [X]
        for W, b in zip(self.weights, self.biases, strict=True):
            self.activations.append(np.tanh(self.activations[-1] @ W + b))
        return np.mean((self.activations[-1][:, 0] - y) ** 2)

    def backprop(self, X, y):
        delta = 2 * (self.activations[-1] - y[:, None]) / len(y)
        dW, db = [], []
        for W, a, below in zip(self.weights[::-1], self.activations[::-1], self.activations[-2::-1], strict=False):
            delta = delta * (1 - a**2)
            dW, db = [below.T @ delta, *dW], [delta.sum(axis=0), *db]
            delta = delta @ W.T
        return dW, db


@pytest.mark.parametrize("ran", [False, True])
def test_arrays_in_lists(ran):
    network = Lists()
    if ran:
        network.cost(X, y)
    subject = HandWritten.of_object(network, loss="cost", gradient="backprop", data=(X, y))
    assert [block.name for block in subject.blocks] == ["weights[0]", "weights[1]", "biases[0]", "biases[1]"]
    w = np.random.default_rng(0).normal(size=subject.w.size)
    numeric = approx_fprime(w, subject.cost)
    np.testing.assert_allclose(subject.gradient(w), numeric, rtol=1e-5, atol=1e-7)


def test_an_object_without_arrays():
    class Empty:
        def cost(self):
            return 0.0

    with pytest.raises(SubjectError, match="Empty has no arrays of numbers as attributes: name them"):
        HandWritten.of_object(Empty(), loss="cost")


class Rebinding(Network):
    def backward(self, X, y):
        self.W = self.W - 0.1 * gradient({"w": self.W, "b": self.b}, X, y)["w"]


class InPlace(Network):
    def backward(self, X, y):
        self.W -= 0.1 * gradient({"w": self.W, "b": self.b}, X, y)["w"]


@pytest.mark.parametrize("network", [Rebinding, InPlace])
def test_an_object_whose_backward_pass_makes_the_update(network):
    subject = HandWritten.of_object(network(), loss="loss", gradient="backward", data=(X, y))
    with pytest.raises(SubjectError, match=r"it updates W itself\. Let it return the gradients"):
        subject.gradient(subject.w)


def test_data_that_cannot_be_copied_are_refused():
    kept = np.array([memoryview(b"ab"), None], dtype=object)
    with pytest.raises(SubjectError, match=r"data\[1\] cannot be copied \(TypeError: .*memoryview"):
        HandWritten({"w": 1.0}, loss=lambda p, X, y: p["w"] ** 2, data=(np.ones(2), kept))
