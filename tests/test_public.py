"""What `import gatewise` brings: the public names, each documented, and nothing that takes long to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import gatewise as gw
from gatewise import errors
from gatewise.functions import VALUES_ONLY
from gatewise.gate import NUMPY_FUNCTIONS, REGISTRY
from gatewise.gates import LATER, later

NOT_AT_START = ["rich", "click", "scipy", "optree", "matplotlib", "IPython", "sklearn", "array_api_compat"]

MAIN = [
    "Array", "check_grads", "grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "trace", "value_and_grad",
    "variable", "vjp",
]  # fmt: skip


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_importing_brings_nothing_heavy():
    loaded = run("import sys, gatewise; print(*[name.partition('.')[0] for name in sys.modules])")
    assert "numpy" in loaded
    assert not set(NOT_AT_START) & set(loaded)


def test_a_gradient_of_arrays_brings_nothing_heavy_either():
    loaded = run(
        "import sys, numpy as np, gatewise as gw\n"
        "gw.grad(lambda x: np.sum(np.exp(x) @ x))(np.ones(3)); x = gw.variable(1.0); (x * x).backward()\n"
        "print(*[name.partition('.')[0] for name in sys.modules])"
    )
    assert not set(NOT_AT_START) & set(loaded)


def test_families_that_load_late_wait_for_a_function_of_theirs():
    """A gradient asks for np.shape, compiled or not, which has no rule of its own: that loaded all of them."""
    loaded = run(
        "import sys, numpy as np, gatewise as gw\n"
        "gw.compile(gw.value_and_grad(lambda x: np.sum(x) * np.ndim(x)))(np.ones(3))\n"
        "print(*sys.modules)"
    )
    assert not {f"gatewise.gates.{family}" for family in LATER} & set(loaded)
    modules = {later(family).__name__ for family in LATER}
    late = {function.__name__ for function, ours in NUMPY_FUNCTIONS.items() if ours.__module__ in modules}
    assert "fft" in late
    assert not VALUES_ONLY & late, "nobody would look for these in the families that load late"


def test_the_version_is_the_packages():
    assert gw.__version__ == version("gatewise")


def test_all_lists_every_public_name_and_every_name_is_there():
    assert len(set(gw.__all__)) == len(gw.__all__)
    for name in gw.__all__:
        assert getattr(gw, name) is not None
    space = {}
    exec("from gatewise import *", space)
    assert set(gw.__all__) <= set(space)
    public = {name for name in vars(gw) if not name.startswith("_")}
    modules = {name for name in public if inspect.ismodule(getattr(gw, name))}
    assert public - modules - {"TYPE_CHECKING", "Any"} <= set(gw.__all__)


def test_dir_lists_what_is_imported_later():
    assert set(gw.__all__) <= set(dir(gw))


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'gatewise' has no attribute 'gradients'"):
        _ = gw.gradients


@pytest.mark.parametrize("name", sorted(gw.__all__))
def test_every_public_name_is_documented(name):
    text = inspect.getdoc(getattr(gw, name))
    assert text
    assert text.splitlines()[0].rstrip().endswith((".", ":")) or name in REGISTRY


@pytest.mark.parametrize("name", MAIN)
def test_the_main_names_have_an_example(name):
    assert "Example:\n" in inspect.getdoc(getattr(gw, name))
    assert ">>> " in inspect.getdoc(getattr(gw, name))


@pytest.mark.parametrize(
    "name", [name for name, kind in vars(errors).items() if inspect.isclass(kind) and not kind.__subclasses__()]
)
def test_every_error_that_is_raised_is_public_and_is_a_gatewise_error(name):
    assert issubclass(getattr(gw, name), gw.GatewiseError)
    assert name in gw.__all__


def test_public_methods_of_array_are_documented():
    for name, member in inspect.getmembers(gw.Array):
        if not name.startswith("_") and name not in ("node", "value"):
            assert inspect.getdoc(member), name


def test_every_numpy_function_that_arrays_take_has_a_documented_function_of_ours():
    for function, ours in NUMPY_FUNCTIONS.items():
        assert callable(ours), function


@pytest.mark.parametrize("name", ["exp", "sum", "where", "matmul", "concat", "maximum", "sigmoid"])
def test_our_functions_take_plain_arrays_and_give_plain_arrays(name):
    arguments = {
        "where": ([True, False], 1.0, 2.0),
        "matmul": ([[1.0]], [[2.0]]),
        "concat": ([[1.0], [2.0]],),
        "maximum": ([1.0], [2.0]),
    }
    result = getattr(gw, name)(*arguments.get(name, ([1.0, 2.0],)))
    assert not isinstance(result, gw.Array)
    assert type(result).__module__ == "numpy"
