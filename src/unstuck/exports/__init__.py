"""A trained network elsewhere: as ONNX, as PyTorch or NumPy source code, and from scikit-learn's MLPs."""
