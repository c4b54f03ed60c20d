"""Loading the libraries that only training needs, when it needs them. Nothing else lives here."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from gatewise.errors import InputError


def load_optional(module: str, purpose: str) -> ModuleType:
    """Import ``module``, or say what it is for and how to install it.

    >>> load_optional("not_there.at_all", "Reading tea")
    Traceback (most recent call last):
        ...
    gatewise.errors.InputError: Reading tea needs not_there, which is not installed: pip install "gatewise[train]"
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = {"sklearn": "scikit-learn"}.get(module.split(".")[0], module.split(".")[0])
        raise InputError(f'{purpose} needs {library}, which is not installed: pip install "gatewise[train]"') from error
