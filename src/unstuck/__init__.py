"""Multilayer perceptrons that learn, and the truth about why one does not.

The public names, flat: `__init__.pyi` lists them. Each is loaded when it is first used, so that `import unstuck` costs
next to nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
