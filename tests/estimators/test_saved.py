"""Estimators in files: without pickle, by pickle, joblib and copies."""

from __future__ import annotations

import copy
import io
import pickle
import random
import tomllib

import joblib
import numpy as np
import polars as pl
import pytest
import sklearn
import tomli_w
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError

from unstuck import Adam, CosineDecay, FileError, Huber, LeakyReLU, MLPClassifier, MLPRegressor, OptionError, Run
from unstuck.sealed import seal, unseal

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
QUICK = {"hidden_layer_sizes": 8, "max_iter": 15, "learning_rate_init": 0.02, "random_state": 0}
ROWS, LABELS = make_multilabel_classification(n_samples=150, n_features=4, random_state=0)
FITTED = {
    "classes": lambda: MLPClassifier(**QUICK).fit(X, Y),
    "two classes": lambda: MLPClassifier(**QUICK).fit(X[:100], Y[:100] == 0),
    "text": lambda: MLPClassifier(**QUICK).fit(X, np.array(["", "ünï", "a long one"])[Y]),
    "objects": lambda: MLPClassifier(**QUICK).fit(X, np.array(["a", "bb", "c"], dtype=object)[Y]),
    "floats": lambda: MLPClassifier(**QUICK).fit(X, Y - 1.0),
    "small integers": lambda: MLPClassifier(**QUICK).fit(X, Y.astype(np.int8)),
    "several labels": lambda: MLPClassifier(**QUICK).fit(ROWS, LABELS),
    "signed": lambda: MLPClassifier(**QUICK, loss="hinge", class_weight={0: 1.0, 1: 5.0, 2: 0.5}).fit(X, Y),
    "own rows": lambda: MLPClassifier(**QUICK, early_stopping=True).fit(X, Y, validation=(X[::3], Y[::3])),
    "lbfgs": lambda: MLPClassifier(**QUICK, solver="lbfgs").fit(X, Y),
    "adaptive": lambda: MLPClassifier(**QUICK, solver="sgd", learning_rate="adaptive", tol=1.0, n_iter_no_change=2).fit(
        X, Y
    ),
    "invscaling": lambda: MLPClassifier(**QUICK, solver="sgd", learning_rate="invscaling").fit(X, Y),
    "float32": lambda: MLPClassifier(**QUICK, n_iter_no_change=np.inf).fit(X.astype(np.float32), Y),
    "table": lambda: MLPClassifier(**QUICK).fit(pl.DataFrame(X, schema=["a", "b", "c", "d"]), Y),
    "numbers": lambda: MLPRegressor(
        **QUICK, input_scaling="standard", target_scaling="minmax", loss=Huber(0.5), optimizer=Adam(0.01)
    ).fit(X, X[:, 0]),
    "several numbers": lambda: MLPRegressor(
        **{**QUICK, "hidden_layer_sizes": (5, np.int64(4))},
        activation=[LeakyReLU(0.2), "tanh"],
        dropout=(0.1, 0.0),
        schedule=CosineDecay(),
        weight_start="he_normal",
        max_norm=3,
        batch_size=40,
    ).fit(X, X[:, :2]),
    "given weights": lambda: MLPRegressor(
        **QUICK,
        initial_coefs=[np.full((4, 8), 0.1), np.ones((8, 1))],
        optimizer="nadam",
        initial_intercepts=[np.zeros(8), np.zeros(1)],
    ).fit(X, X[:, 0]),
}


@pytest.fixture(params=FITTED)
def model(request):
    return FITTED[request.param]()


def through_a_folder(model, folder):
    model.save(folder / "model")
    return type(model).load(folder / "model")


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


WAYS = {
    "folder": through_a_folder,
    "joblib": through_joblib,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
}


def data_of(model):
    """Return rows and targets such as the model was fitted to."""
    if not hasattr(model, "classes_"):
        return X, X[:, : model.n_outputs_].squeeze()
    if model._label_binarizer.y_type_ == "multilabel-indicator":
        return ROWS, LABELS
    n = 50 * len(model.classes_)
    rows = X[:n].astype(model.recipe_.precision)
    names = getattr(model, "feature_names_in_", None)
    return (rows if names is None else pl.DataFrame(rows, schema=list(names))), model.classes_[Y[:n]]


def the_same(one, other):
    """Compare everything public, and what a training goes on from."""
    assert vars(one).keys() == vars(other).keys()
    np.testing.assert_equal(other.get_params(), one.get_params())
    for name in vars(one):
        mine, its = getattr(one, name), getattr(other, name)
        if name in ("run_", "_label_binarizer"):
            continue
        assert type(mine) is type(its), name
        np.testing.assert_equal(
            vars(its) if hasattr(its, "__dict__") else its, vars(mine) if hasattr(mine, "__dict__") else mine, name
        )
        assert getattr(mine, "dtype", None) == getattr(its, "dtype", None), name
    assert one.run_.history == other.run_.history


# Kept ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_everything_fitted_is_there_again(model, way, tmp_path):
    again = WAYS[way](model, tmp_path)
    the_same(model, again)
    rows, y = data_of(model)
    assert again.predict(rows).dtype == model.predict(rows).dtype
    assert again.predict(rows).tolist() == model.predict(rows).tolist()
    assert again.score(rows, y) == model.score(rows, y)
    if hasattr(model, "predict_proba"):
        assert again.predict_proba(rows).tobytes() == model.predict_proba(rows).tobytes()


def square(z):
    return z * z


def twice(z):
    return 2 * z


def unmoved(row, w):
    return False


@pytest.mark.parametrize("way", ["joblib", "pickle", "deepcopy"])
def test_pickles_and_copies_keep_functions_random_states_and_rows_too(way, tmp_path):
    parameters = {"activation": (square, twice), "callbacks": [unmoved], "random_state": np.random.RandomState(0)}
    model = MLPClassifier(**{**QUICK, **parameters}, keep_data=True).fit(X, Y)
    again = WAYS[way](model, tmp_path)
    assert again.callbacks == [unmoved]
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.data_[0], X)
    for one in (model, again):
        one.fit(X, Y)  # from the same random state
    assert again.coefs_[0].tobytes() == model.coefs_[0].tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_a_training_goes_on_as_if_nothing_had_been(model, way, tmp_path):
    again = WAYS[way](model, tmp_path)
    rows, y = data_of(model)
    for one in (model, again):
        if hasattr(one, "partial_fit") and not one.early_stopping:
            for _ in range(3):
                one.partial_fit(rows, y)
        one.set_params(warm_start=True).fit(rows, y)
    assert [W.tobytes() for W in again.coefs_] == [W.tobytes() for W in model.coefs_]
    assert again.loss_curve_ == model.loss_curve_
    assert again.t_ == model.t_


def test_partial_fit_goes_on_to_the_same_best_score(tmp_path):
    model = MLPClassifier(**QUICK, early_stopping=True)
    for _ in range(4):
        model.partial_fit(X, Y, classes=[0, 1, 2], validation=(X[::3], Y[::3]))
    again = through_a_folder(model, tmp_path)
    for one in (model, again):
        while not one.stopped_:
            one.partial_fit(X, Y, validation=(X[::3], Y[::3]))
    assert again.validation_scores_ == model.validation_scores_
    assert again.coefs_[0].tobytes() == model.coefs_[0].tobytes()


def test_what_metadata_is_routed_is_kept(tmp_path):
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            MLPClassifier(**QUICK).set_fit_request(sample_weight=True).set_score_request(sample_weight="w").fit(X, Y)
        )
        again = through_a_folder(model, tmp_path)
        assert again.get_metadata_routing().fit.requests == model.get_metadata_routing().fit.requests
        assert again.get_metadata_routing().score.requests["sample_weight"] == "w"


def test_weights_set_by_hand_are_those_that_are_kept(tmp_path):
    model = FITTED["classes"]()
    model.coefs_ = [2 * W for W in model.coefs_]
    again = through_a_folder(model, tmp_path)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_the_folder_holds_the_run_as_well(tmp_path):
    model = FITTED["text"]()
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(Run.load(tmp_path / "model").predict(X), model.predict(X))


def test_rows_that_keep_data_holds_are_left_out_and_asked_for(tmp_path):
    model = MLPClassifier(**QUICK, keep_data=True).fit(X, Y)
    again = through_a_folder(model, tmp_path)
    with pytest.raises(OptionError, match="no saved file holds"):
        again.diagnose_()


# Not kept -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": (np.tanh, lambda z: 1 - np.tanh(z) ** 2)}, r"activation: a function of your own .* pickle"),
        ({"callbacks": [print]}, r"callbacks: a function of your own .*set_params\(callbacks=None\)"),
        ({"random_state": np.random.RandomState(0)}, r"random_state: an object of type RandomState .*to an integer"),
        (
            {"callbacks": [print], "random_state": np.random.RandomState(0)},
            r"(?s)callbacks.*random_state|random_state.*callb",
        ),
    ],
)
def test_what_no_file_can_hold_is_named_before_anything_is_written(parameters, message, tmp_path):
    model = FITTED["classes"]()
    if "activation" in parameters:
        model = MLPClassifier(**QUICK, **parameters).fit(X, Y)
    model.set_params(**parameters)
    with pytest.raises(OptionError, match=message):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_function_that_was_exchanged_after_the_fit_is_noticed_too(tmp_path):
    model = MLPClassifier(**QUICK, activation=(np.tanh, lambda z: 1 - np.tanh(z) ** 2)).fit(X, Y)
    with pytest.raises(ValueError, match=r"activation.*a function of your own"):
        model.set_params(activation="tanh").save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_labels_that_no_file_can_hold(tmp_path):
    days = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    model = FITTED["classes"]()
    model.classes_ = days
    with pytest.raises(OptionError, match=r"labels are of type datetime64\[D\]"):
        model.save(tmp_path / "model")


def test_an_estimator_that_is_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        MLPClassifier().save(tmp_path / "model")


def test_a_folder_that_exists_is_left_alone(tmp_path):
    with pytest.raises(FileError, match="exists already"):
        FITTED["classes"]().save(tmp_path)


# Refused ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["text", "numbers", "own rows"])
def saved(request, tmp_path_factory):
    model, folder = FITTED[request.param](), tmp_path_factory.mktemp("saved") / "model"
    model.save(folder)
    return type(model), {path.name: path.read_bytes() for path in folder.iterdir()}


def written(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def sealed_anew(saved, folder, change=lambda facts: None, arrays=None):
    """Return a folder with a saved estimator whose facts have been changed, and which is sealed as if it were ours."""
    folder = written(folder, saved[1])
    old_arrays, texts = unseal(folder / "arrays.safetensors")
    facts = tomllib.loads(texts["estimator.toml"])
    change(facts)
    texts["estimator.toml"] = tomli_w.dumps(facts)
    sealed = seal(old_arrays if arrays is None else arrays(old_arrays), texts)
    return written(folder, {name: text.encode() for name, text in texts.items()} | {"arrays.safetensors": sealed})


def test_the_other_class_is_named(saved, tmp_path):
    other = MLPRegressor if saved[0] is MLPClassifier else MLPClassifier
    with pytest.raises(FileError, match=r"holds a (classifier|regressor), not a"):
        other.load(written(tmp_path / "model", saved[1]))


@pytest.mark.parametrize(
    ("form", "writer", "message"),
    [
        ("unstuck estimator 2", "9.1", r"saved by unstuck 9\.1 in format 2.*reads format 1: upgrade"),
        ("unstuck estimator 0", "0.0.1", r"saved by unstuck 0\.0\.1 in format 0.*with the version that saved it"),
        ("unstuck run 1", None, "holds no estimator"),
        (7, None, "holds no estimator"),
    ],
)
def test_another_version_says_what_is_needed(saved, tmp_path, form, writer, message):
    def change(facts):
        facts["format"] = form
        if writer is not None:
            facts["unstuck"] = writer

    with pytest.raises(FileError, match=message):
        saved[0].load(sealed_anew(saved, tmp_path / "model", change))


def test_a_file_from_before_a_parameter_was_there_has_its_default(saved, tmp_path):
    folder = sealed_anew(
        saved, tmp_path / "model", lambda facts: [facts["parameters"].pop("n_restarts"), facts.pop("unstuck")]
    )
    assert saved[0].load(folder).n_restarts == 1


def test_damage_anywhere_is_noticed(saved, tmp_path):
    draw = random.Random(0)
    for _ in range(150):
        name = draw.choice(sorted(saved[1]))
        content = bytearray(saved[1][name])
        place = draw.randrange(len(content))
        content[place] ^= 1 << draw.randrange(8)
        damaged = bytes(content[:place] if draw.random() < 0.3 else content)
        with pytest.raises(FileError, match=name):
            saved[0].load(written(tmp_path / "model", saved[1] | {name: damaged}))


ODD = [-1, 0, 10**30, 2**63, 0.5, float("nan"), float("inf"), [], {}, "x", True, [[1]], {"array": "w"}, {"tuple": 3}]
ODD += [{"pairs": [1]}, {"optimizer": {"kind": "x"}}, {"loss": 3}, {"array": []}, {"tuple": []}, "callbacks"]


def test_a_forged_estimator_is_refused_or_predicts(saved, tmp_path):
    draw, read = random.Random(20_261_121), 0

    def change(facts):
        table = draw.choice([facts, facts["parameters"], facts["seen"], facts["optimizer"], facts.get("labels", facts)])
        key = draw.choice(sorted(table))
        if draw.random() < 0.2:
            del table[key]
        else:
            table[draw.choice([key, key, key, "callbacks", "other"])] = draw.choice(ODD)

    def other_arrays(arrays):
        if draw.random() < 0.6:
            return arrays
        name = draw.choice(sorted(arrays))
        array, rest = arrays[name], {key: value for key, value in arrays.items() if key != name}
        others = [
            array[:-1],
            array[None],
            np.nan_to_num(array, posinf=0).astype(draw.choice(["float32", "uint32", "bool"])),
        ]
        others += [array[..., :0], np.full_like(array, 2**30), -array if array.dtype.kind == "f" else array]
        return rest if draw.random() < 0.2 else rest | {name: draw.choice(others)}

    for _ in range(300):
        folder = sealed_anew(saved, tmp_path / "model", change, other_arrays)
        try:
            with np.errstate(all="ignore"):
                model = saved[0].load(folder)
                model.predict(X)
                repr(model)
        except FileError:
            continue
        read += 1
    assert 0 < read < 300


class Bomb:
    """Pickled, it touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


def test_no_pickle_is_ever_opened(saved, tmp_path):
    touched, content = tmp_path / "touched", io.BytesIO()
    np.save(content, np.array([Bomb(touched)], dtype=object))
    for bomb in (content.getvalue(), pickle.dumps(Bomb(touched))):
        with pytest.raises(FileError):
            saved[0].load(written(tmp_path / "model", dict.fromkeys(saved[1], bomb)))
    assert not touched.exists()
