"""LLVM: from a module's text to machine code in memory, for the processor at hand.

Every module is verified before anything is made of it, so that a mistake of ours is an exception and never a crash.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import lru_cache
from itertools import count
from typing import Any

import llvmlite.binding as llvm

_number = count()

#: Libraries whose code must stay: their engines are never disposed of.
_LASTING: list[Any] = []


@lru_cache(maxsize=1)
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


def target_machine() -> Any:
    """The processor at hand, with all it can do."""
    return _target().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )


class Library:
    """Machine code in memory; freed with the object, unless it is `lasting`.

    Args:
        text: A module in LLVM's language.
        symbols: Addresses of what the module declares and does not define.
        lasting: Keep the code to the end of the process, for threads that may run it.
    """

    def __init__(self, text: str, symbols: Mapping[str, int], lasting: bool = False) -> None:
        machine = target_machine()
        module = llvm.parse_assembly(text)
        module.verify()
        _optimise(module, machine)
        self.machine, self.module = machine, module
        self.engine = llvm.create_mcjit_compiler(module, machine)
        for name, address in symbols.items():
            value = _declared(module, name)
            if value is not None:
                self.engine.add_global_mapping(value, address)
        self.engine.finalize_object()
        if lasting:
            _LASTING.append(self)

    def address(self, name: str) -> int:
        """Where a function of the module lies."""
        return int(self.engine.get_function_address(name))

    def has(self, name: str) -> bool:
        """Whether the module defines a function of this name."""
        value = _declared(self.module, name)
        return value is not None and not value.is_declaration

    def assembly(self) -> str:
        """The machine code, as text."""
        return str(self.machine.emit_assembly(self.module))


def _declared(module: Any, name: str) -> Any:
    """What a module calls by this name; None when nothing is, or nothing any more."""
    for find in (module.get_function, module.get_global_variable):
        try:
            return find(name)
        except NameError:
            continue
    return None


def _optimise(module: Any, machine: Any) -> None:
    """Few passes: loops are vectorised, and what does not change is taken out of them, where they are written.

    LLVM's usual pipelines take ten times as long and find next to nothing more in such code.
    """
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(1)))


def function_at(address: int, result: Any, *arguments: Any) -> Any:
    """A C function at an address, to be called from Python without the interpreter's lock."""
    return ctypes.CFUNCTYPE(result, *arguments)(address)
