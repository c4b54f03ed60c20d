"""LLVM: from a module's text to machine code in memory, for the processor at hand.

Two steps, so that code can be kept: `machine_code` makes object files, which hold no addresses from outside their
text; `Library` puts them into memory and connects them to what they call. Every module is verified before anything is
made of it, and every name is looked up before it is loaded: a mistake of ours is an exception and never a crash.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm

from gatewise.native.dividing import divided

#: Libraries whose code must stay: their engines are never disposed of.
_LASTING: list[Any] = []


@lru_cache(maxsize=1)
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


@lru_cache(maxsize=1)
def features() -> Mapping[str, bool]:
    """What the processor can do, by LLVM's names; nothing where LLVM cannot ask it."""
    try:
        return llvm.get_host_cpu_features()  # type: ignore[no-any-return]  # llvmlite has no types
    except RuntimeError:
        return {}


@lru_cache(maxsize=1)
def _host() -> tuple[str, str]:
    """The processor's name and features, as LLVM takes them."""
    flags = [f"{'+' if known else '-'}{name}" for name, known in sorted(features().items())]
    return llvm.get_host_cpu_name(), ",".join(flags)


def is_arm() -> bool:
    """Whether code is made for AArch64."""
    return bool(llvm.get_default_triple().startswith(("aarch64", "arm64")))


def target_machine(quickly: bool = False) -> Any:
    """The processor at hand, with all it can do; for code that is to be made `quickly`, rather than be quick."""
    name, flags = _host()
    return _target().create_target_machine(cpu=name, features=flags, opt=0 if quickly else 2)


def processor() -> str:
    """What machine code depends on beside its text: code that is kept is of use where this is the same."""
    version = ".".join(map(str, llvm.llvm_version_info))
    return " ".join([f"LLVM {version}", llvm.get_default_triple(), *_host()])


#: A part of a module that LLVM works on by itself is at least so long, in characters: each costs a start of its own.
WORTH_A_THREAD = 30_000


@dataclass(frozen=True)
class Code:
    """A module as machine code: plain data, which can be kept for another process on a like processor."""

    text: str
    data: tuple[bytes, ...]  # object files
    external: tuple[str, ...]  # names that they use and do not define
    defined: tuple[str, ...]  # functions that can be called from outside


def machine_code(text: str, threads: int = 1, quickly: bool = False) -> Code:
    """Machine code for a module.

    Args:
        text: The module in LLVM's language.
        threads: How many threads may work on it; a long module is divided among them. The code is the same.
        quickly: Leave the code as it is written, which takes a third of the time: for what no call spends long in.

    Raises:
        RuntimeError: It is not well formed.

    Example:
        >>> machine_code("define i64 @twice(i64 %x) { %y = add i64 %x, %x ret i64 %y }").defined
        ('twice',)
    """
    parts = divided(text, min(threads, len(text) // WORTH_A_THREAD))
    if len(parts) == 1:
        made = [_compiled(parts[0], quickly)]
    else:
        with ThreadPoolExecutor(len(parts) - 1) as others:
            started = [others.submit(_compiled, part, quickly) for part in parts[1:]]
            made = [_compiled(parts[0], quickly), *[part.result() for part in started]]
    known = {name for _, _, inside in made for name in inside}
    external = dict.fromkeys(name for _, used, _ in made for name in used if name not in known)
    defined = [name for _, _, inside in made for name, hidden in inside.items() if not hidden]
    return Code(text, tuple(data for data, _, _ in made), tuple(external), tuple(defined))


def _compiled(text: str, quickly: bool) -> tuple[bytes, list[str], dict[str, bool]]:
    """An object file of a module, the names that it uses from outside, and those it defines: whether each is hidden."""
    machine, module = target_machine(quickly), _parsed(text, llvm.create_context())
    functions = list(module.functions)
    items = functions + list(module.global_variables)
    used = [item.name for item in items if item.is_declaration and not item.name.startswith("llvm.")]
    own = (llvm.Linkage.internal, llvm.Linkage.private)
    inside = {
        item.name: item.visibility is llvm.Visibility.hidden or item not in functions
        for item in items
        if not item.is_declaration and item.linkage not in own
    }
    if not quickly:
        _optimise(module, machine)
    return _emitted(machine, module), used, inside


def _emitted(machine: Any, module: Any) -> bytes:
    """The object file of a module."""
    with llvm.ffi.OutputString() as error:
        memory = _beside_others("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, error)
        if not memory:
            raise RuntimeError(str(error))
    try:
        return ctypes.string_at(llvm.ffi.lib.LLVMPY_GetBufferStart(memory), llvm.ffi.lib.LLVMPY_GetBufferSize(memory))
    finally:
        llvm.ffi.lib.LLVMPY_DisposeMemoryBuffer(memory)


def _beside_others(name: str) -> Any:
    """A function of llvmlite's library, for threads that work at the same time.

    llvmlite lets one thread into LLVM at a time. LLVM itself asks for no more than that each thread has a context and
    a machine of its own, which they have here, so its function is called without that lock, where it is found.
    """
    return getattr(getattr(llvm.ffi.lib, "_lib_handle", None) or llvm.ffi.lib, name)


class Library:
    """Machine code in memory; freed with the object, unless it is `lasting`.

    Args:
        source: A module in LLVM's language, or what `machine_code` made of one.
        symbols: Addresses of what the module declares and does not define.
        lasting: Keep the code to the end of the process, for threads that may run it.

    Raises:
        RuntimeError: The module is not well formed, or uses a name that is neither in `symbols` nor in this process.

    Example:
        >>> library = Library("define i64 @twice(i64 %x) { %y = add i64 %x, %x ret i64 %y }", {})
        >>> function_at(library.address("twice"), ctypes.c_int64, ctypes.c_int64)(21)
        42
    """

    def __init__(self, source: str | Code, symbols: Mapping[str, int], lasting: bool = False) -> None:
        self.code = machine_code(source) if isinstance(source, str) else source
        # An engine is made for a module: one that only declares the names which are given an address.
        given = [name for name in self.code.external if name in symbols]
        names = _parsed("".join(f'declare void @"{name}"()\n' for name in given))
        self.engine = llvm.create_mcjit_compiler(names, _target().create_target_machine())
        for name in given:
            self.engine.add_global_mapping(names.get_function(name), symbols[name])
        unknown = [name for name in self.code.external if name not in symbols and not llvm.address_of_symbol(name)]
        if unknown:
            raise RuntimeError(f"a module uses {', '.join(unknown)}, for which there is no address")
        for data in self.code.data:
            self.engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        self.engine.finalize_object()
        if lasting:
            _LASTING.append(self)

    def address(self, name: str) -> int:
        """Where a function of the module lies.

        Raises:
            KeyError: The module defines no function of this name.
        """
        if not self.has(name):
            raise KeyError(name)
        return int(self.engine.get_function_address(name))

    def has(self, name: str) -> bool:
        """Whether the module defines a function of this name."""
        return name in self.code.defined

    def assembly(self) -> str:
        """The machine code, as text."""
        machine = target_machine()
        module = _parsed(self.code.text)
        _optimise(module, machine)
        return str(machine.emit_assembly(module))


def _parsed(text: str, context: Any = None) -> Any:
    module = llvm.parse_assembly(text, context)
    module.verify()
    return module


def _optimise(module: Any, machine: Any) -> None:
    """Few passes: loops are vectorised, and what does not change is taken out of them, where they are written.

    LLVM's usual pipelines take ten times as long and find next to nothing more in such code.
    """
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(1))
    _beside_others("LLVMPY_RunNewModulePassManager")(passes, module, builder)


def function_at(address: int, result: Any, *arguments: Any) -> Any:
    """A C function at an address, to be called from Python without the interpreter's lock."""
    return ctypes.CFUNCTYPE(result, *arguments)(address)
