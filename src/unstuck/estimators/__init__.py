"""scikit-learn estimators on top of recipes and `train`: its names and rules outside, ours inside.

`classifier.py` and `regressor.py` hold the public classes, `perceptron.py` what both share. The other files hold one
translation each: `recipes.py` from parameters to a recipe, `starts.py` where the weights begin, `plateau.py` when to
stop, `heldout.py` the rows to score, `shortfall.py` whether it stopped too early, `saved.py` and `values.py` the files.
"""
