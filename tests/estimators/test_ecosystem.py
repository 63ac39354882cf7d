"""The estimators among scikit-learn's tools."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from unstuck import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
QUICK = {"hidden_layer_sizes": 8, "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}


@pytest.mark.filterwarnings("ignore")  # the checks fit constant and tiny data
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_scikit_learns_checks_hold(estimator, check):
    check(estimator)


def test_pipeline_and_grid_search():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**QUICK))
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 1000.0], "mlpclassifier__dropout": [0.0]}, cv=3)
    search.fit(X, Y)
    assert search.best_params_["mlpclassifier__alpha"] == 1e-4
    assert search.score(X, Y) > 0.9


def test_workers_of_joblib_come_to_the_same_scores():
    model = MLPClassifier(**QUICK)
    alone, beside = (cross_val_score(model, X, Y, cv=3, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(alone, beside)
    assert alone.mean() > 0.85


@pytest.mark.parametrize("processes", [False, True])
def test_a_grid_search_on_dask_comes_to_the_same_scores(processes):
    from distributed import Client, LocalCluster

    grid = {"alpha": [1e-4, 1.0, 1000.0], "solver": ["adam", "lbfgs"]}
    alone = GridSearchCV(MLPClassifier(**QUICK), grid, cv=3).fit(X, Y)
    place = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1"} if processes else {"threads_per_worker": 4}
    with (
        LocalCluster(**{"n_workers": 1, **place}, processes=processes, dashboard_address=None) as cluster,
        Client(cluster) as client,
        joblib.parallel_backend("dask"),
    ):
        spread = GridSearchCV(MLPClassifier(**QUICK), grid, cv=3).fit(X, Y)
        worked = client.run(lambda dask_worker: len(dask_worker.state.log))
    assert all(worked.values())
    np.testing.assert_array_equal(spread.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(spread.predict_proba(X), alone.predict_proba(X))


def test_calibration_and_permutation_importance():
    calibrated = CalibratedClassifierCV(MLPClassifier(**QUICK), cv=3).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    noisy = np.hstack([X, np.random.default_rng(0).normal(size=(150, 1))])
    importance = permutation_importance(MLPClassifier(**QUICK).fit(noisy, Y), noisy, Y, random_state=0).importances_mean
    assert importance[3] > 5 * abs(importance[4])  # the width of the petals, and noise


def test_columns_of_text_come_through_a_column_transformer():
    import polars as pl

    names = np.array(["small", "middle", "large"])[Y]
    table = pl.DataFrame({"petal": X[:, 2], "size": names})
    columns = ColumnTransformer([("number", StandardScaler(), ["petal"]), ("text", OneHotEncoder(), ["size"])])
    model = make_pipeline(columns, MLPClassifier(**QUICK)).fit(table, Y)
    assert model.score(table, Y) == 1


@pytest.mark.parametrize("model", [MLPClassifier(**QUICK), MLPRegressor(**QUICK, target_scaling="standard")])
def test_a_pickle_predicts_alike_and_goes_on_alike(model):
    model.fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    for one in (model, again):
        one.partial_fit(X, Y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_clone_has_all_parameters_and_nothing_learned():
    model = MLPClassifier((3, 4), activation=["tanh", "relu"], dropout=[0.1, 0.0], optimizer="nadam").fit(X, Y)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coefs_")


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_rows_are_the_same_as_dense_ones(container):
    dense, thin = (MLPClassifier(**QUICK).fit(rows, Y) for rows in (X, container(X)))
    for a, b in zip(dense.coefs_, thin.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(thin.predict_proba(container(X)), dense.predict_proba(X))


def test_names_of_columns_are_kept_and_checked():
    import polars as pl

    table = pl.DataFrame(X, schema=["a", "b", "c", "d"])
    model = MLPClassifier(**QUICK).fit(table, Y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match=r"feature names should match"):
        model.predict(table.select("b", "a", "c", "d"))


def test_weights_are_routed_to_fit_and_score():
    weights = np.where(Y == 2, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**QUICK).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_val_score(model, X, Y, params={"sample_weight": weights}, cv=3)
    assert scores.min() > 0.95  # the third class, which is hard to tell from the second, weighs nothing


def test_hidden_activations_are_features_for_another_model():
    model = make_pipeline(MLPClassifier(**QUICK), LogisticRegression(max_iter=1000)).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert model[0].get_feature_names_out().tolist()[:2] == ["mlpclassifier0", "mlpclassifier1"]
    Z = model[0].transform(X)
    W, b = model[0].coefs_[0], model[0].intercepts_[0]
    np.testing.assert_allclose(Z, np.maximum(X @ W + b, 0))


def test_regression_among_the_tools():
    rows, y = load_diabetes(return_X_y=True)
    model = MLPRegressor(hidden_layer_sizes=8, max_iter=200, input_scaling="standard", target_scaling="standard")
    assert cross_val_score(model.set_params(random_state=0, alpha=1.0), rows, y, cv=3).mean() > 0.35
