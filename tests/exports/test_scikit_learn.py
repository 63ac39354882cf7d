"""scikit-learn's own MLPs, fitted by it, against the runs made of them."""

import warnings

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor

from unstuck import L2, OptionError, Run, train
from unstuck.exports.scikit_learn import from_scikit_learn

IRIS, FLOWERS = load_iris(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
CANCER = (CANCER - CANCER.mean(axis=0)) / CANCER.std(axis=0)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def fitted(mlp, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mlp.set_params(random_state=3).fit(X, y)


def classifier(**settings):
    return MLPClassifier(max_iter=30, **settings)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize(("X", "y"), [(IRIS, FLOWERS), (IRIS, NAMES[FLOWERS]), (CANCER, MALIGNANT == 1)])
def test_labels_and_probabilities(activation, solver, X, y):
    mlp = fitted(classifier(activation=activation, solver=solver, hidden_layer_sizes=(9, 5)), X, y)
    run = from_scikit_learn(mlp)
    assert run.predict(X).tolist() == mlp.predict(X).tolist()
    assert np.abs(run.predict_proba(X) - mlp.predict_proba(X)).max() < 1e-12
    assert run.score(X, y) == mlp.score(X, y)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("y", [PROGRESS, np.column_stack([PROGRESS, PROGRESS / 2])])
def test_numbers(loss, y):
    try:
        mlp = fitted(MLPRegressor(loss=loss, max_iter=30), DIABETES, y)
    except TypeError:
        pytest.skip("this scikit-learn has no choice of loss")
    run = from_scikit_learn(mlp)
    assert run.predict(DIABETES).shape == y.shape
    assert np.allclose(run.predict(DIABETES), mlp.predict(DIABETES), rtol=1e-12)
    assert run.recipe.loss.kind == loss


def test_float32_stays_float32():
    mlp = fitted(classifier(), IRIS.astype(np.float32), FLOWERS)
    run = from_scikit_learn(mlp)
    assert run.final_parameters.dtype == np.float32
    assert np.abs(run.predict_proba(IRIS) - mlp.predict_proba(IRIS.astype(np.float32))).max() < 1e-6


def test_columns_keep_their_names():
    table = pl.DataFrame(IRIS, schema=["a", "b", "c", "d"])
    run = from_scikit_learn(fitted(classifier(), table, FLOWERS))
    assert run.predict(table.select("d", "c", "b", "a")).tolist() == run.predict(IRIS).tolist()


def test_the_recipe_is_filled_in():
    run = from_scikit_learn(
        fitted(
            classifier(
                hidden_layer_sizes=(7,), batch_size=30, solver="sgd", momentum=0.8, learning_rate_init=0.02, alpha=0.3
            ),
            IRIS,
            FLOWERS,
        )
    )
    recipe = run.recipe
    assert [(layer.units, layer.activation.kind) for layer in recipe.layers] == [(7, "relu"), (3, "softmax")]
    assert recipe.optimizer.to_data() == {"kind": "nesterov", "learning_rate": 0.02, "momentum": 0.8}
    assert recipe.penalties == (L2(0.3 / 30),)
    assert (recipe.batch_size, recipe.epochs, recipe.seed, recipe.precision) == (30, 30, 3, "float64")
    assert run.history["loss"].shape == (30,)
    assert run.stopped == "all epochs"


def test_the_recipes_cost_is_the_last_of_scikit_learns_loss_curve_where_it_has_converged():
    """Its curve is of the epoch's updates; at the end of a long training the cost of the result is the same to 1 %."""
    mlp = fitted(MLPClassifier((8,), alpha=0.5, batch_size=150, max_iter=3000, learning_rate_init=0.01), IRIS, FLOWERS)
    run = from_scikit_learn(mlp)
    probabilities = mlp.predict_proba(IRIS)[np.arange(150), FLOWERS]
    cost = -np.log(probabilities).mean() + sum(
        penalty.value(run.weights[f"W{k}"].ravel()) for k in (1, 2) for penalty in run.recipe.penalties
    )
    assert cost == pytest.approx(mlp.loss_curve_[-1], rel=0.01)


def test_early_stopping_and_its_scores():
    mlp = fitted(MLPClassifier((20,), early_stopping=True, n_iter_no_change=4, max_iter=300), IRIS, FLOWERS)
    run = from_scikit_learn(mlp)
    assert run.stopped == "early stopping"
    assert run.recipe.early_stopping.patience == 4
    assert run.history["validation_accuracy"].tolist() == mlp.validation_scores_
    assert run.best_epoch == np.argmax(mlp.validation_scores_) + 1


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_it_is_kept_drawn_and_trained_again_like_any_run(solver, tmp_path):
    run = from_scikit_learn(fitted(classifier(solver=solver), IRIS, FLOWERS))
    run.save(tmp_path / "run")
    assert Run.load(tmp_path / "run").outputs(IRIS).tobytes() == run.outputs(IRIS).tobytes()
    assert "scikit-learn" in run.engine
    assert "converged" in repr(run) or "all epochs" in repr(run)
    assert train(run.recipe, IRIS, FLOWERS).score(IRIS, FLOWERS) > 0.6


@pytest.mark.parametrize(
    ("mlp", "message"),
    [
        (MLPClassifier(), "has not been fitted"),
        (LogisticRegression(), "got LogisticRegression"),
        (fitted(classifier(), IRIS, np.eye(3, dtype=int)[FLOWERS]), "3 labels"),
    ],
)
def test_what_cannot_be_imported(mlp, message):
    with pytest.raises(OptionError, match=message):
        from_scikit_learn(mlp)
