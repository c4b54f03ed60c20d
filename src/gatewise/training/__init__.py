"""Training linear classifiers whose losses are plain NumPy functions: what ``gatewise train`` runs.

Here are the losses of the CS231n notes, the data they learn from, the descent, and what is written to disk. The
gradients themselves come from :func:`gatewise.value_and_grad`: nothing in this package knows how one is computed.
The words on the screen and the options of the command live in :mod:`gatewise.cli.train`.
"""
