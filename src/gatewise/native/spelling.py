"""The text of a module: what llvmlite's ``str(module)`` is, in a third of the time.

A first call waits for this text. The kinds of instructions that loops are made of are written here, each as one string;
all else llvmlite writes itself. The objects that a function is made of take several times the memory of its text, so
each function is written down as soon as it is finished (`settle`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from llvmlite.ir import instructions


def text_of(module: ir.Module) -> str:
    r"""A module in LLVM's language.

    Example:
        >>> module = ir.Module("one")
        >>> kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        >>> function = ir.Function(module, kind, "twice")
        >>> builder = ir.IRBuilder(function.append_basic_block("entry"))
        >>> builder.ret(builder.add(*function.args * 2))
        <ir.Ret ...>
        >>> print(text_of(module).partition("\n\n")[2])
        define i64 @"twice"(i64 %".1")
        {
        entry:
          %".3" = add i64 %".1", %".1"
          ret i64 %".3"
        }
    """
    lines = [
        f'; ModuleID = "{module.name}"',
        f'target triple = "{module.triple}"',
        f'target datalayout = "{module.data_layout}"',
        "",
    ]
    for value in module.globals.values():
        if isinstance(value, ir.Function) and value.blocks:
            _add_function(lines, value)
        else:
            lines.append(str(value).rstrip())
    return "\n".join([*lines, *module._get_metadata_lines()])


def settle(function: ir.Function) -> None:
    r"""Write down what a finished function does, and free the instructions; its attributes can still be changed.

    Example:
        >>> function = ir.Function(ir.Module("one"), ir.FunctionType(ir.VoidType(), []), "nothing")
        >>> _ = ir.IRBuilder(function.append_basic_block("entry")).ret_void()
        >>> settle(function)
        >>> function.blocks[0].instructions
        Traceback (most recent call last):
            ...
        AttributeError: '_Written' object has no attribute 'instructions'
        >>> print(str(function))
        define void @"nothing"()
        {
        entry:
          ret void
        }
        <BLANKLINE>
    """
    blocks = [block for block in function.blocks if not isinstance(block, _Written)]
    if not blocks:
        return
    lines: list[str] = []
    _add_blocks(lines, blocks)
    function.blocks[:] = [_Written("\n".join(lines))]
    for block in blocks:  # which hold each other: they would be found by the garbage collector, after the first call
        for instruction in block.instructions:
            if isinstance(instruction, instructions.PhiInstr):
                instruction.incomings.clear()
        block.instructions.clear()
        block.terminator = None


class _Written:
    """The text of a function's blocks, in their place."""

    def __init__(self, text: str) -> None:
        self.text = text

    def descr(self, buffer: list[str]) -> None:
        """What llvmlite calls to write a block."""
        buffer.append(f"{self.text}\n")


def _add_function(lines: list[str], function: ir.Function) -> None:
    head: list[str] = []
    function.descr_prototype(head)
    lines += ["".join(head).rstrip(), "{"]
    _add_blocks(lines, function.blocks)
    lines.append("}")


def _add_blocks(lines: list[str], blocks: Iterable[Any]) -> None:
    for block in blocks:
        if isinstance(block, _Written):
            lines.append(block.text)
            continue
        name: list[str] = []
        ir.Block.descr(_Empty(block), name)
        lines.append(name[0].rstrip())
        for instruction in block.instructions:
            write = None if instruction.metadata else _WRITTEN.get(type(instruction))
            lines.append("  " + (write(instruction) if write else str(instruction)))


class _Empty:
    """A block without its instructions, of which llvmlite writes the name."""

    def __init__(self, block: ir.Block) -> None:
        self.instructions: list[Any] = []
        self._format_name = block._format_name


def _operation(made: Any) -> str:
    x, *others = made.operands
    rest = "".join([f", {other.get_reference()}" for other in others])
    flags = "".join([f" {flag}" for flag in made.flags])
    return f"{made.get_reference()} = {made.opname}{flags} {made.type} {x.get_reference()}{rest}"


def _comparison(made: Any) -> str:
    x, y = made.operands
    flags = "".join([f" {flag}" for flag in made.flags])
    return f"{made.get_reference()} = {made.opname}{flags} {made.op} {x.type} {x.get_reference()}, {y.get_reference()}"


def _cast(made: Any) -> str:
    (x,) = made.operands
    return f"{made.get_reference()} = {made.opname} {x.type} {x.get_reference()} to {made.type}"


def _load(made: Any) -> str:
    (place,) = made.operands
    align = "" if made.align is None else f", align {made.align}"
    return f"{made.get_reference()} = load {made.type}, {place.type} {place.get_reference()}{align}"


def _store(made: Any) -> str:
    x, place = made.operands
    align = "" if made.align is None else f", align {made.align}"
    return f"store {x.type} {x.get_reference()}, {place.type} {place.get_reference()}{align}"


def _address(made: Any) -> str:
    start = made.pointer
    steps = "".join([f", {index.type} {index.get_reference()}" for index in made.indices])
    name = f"getelementptr{' inbounds' if made.inbounds else ''}"
    return f"{made.get_reference()} = {name} {made.source_etype}, {start.type} {start.get_reference()}{steps}"


def _lanes(made: Any) -> str:
    """What takes apart or puts together vectors."""
    operands = ", ".join([f"{x.type} {x.get_reference()}" for x in made.operands])
    return f"{made.get_reference()} = {made.opname} {operands}"


def _choice(made: Any) -> str:
    flags = "".join([f"{flag} " for flag in made.flags])
    operands = ", ".join([f"{x.type} {x.get_reference()}" for x in made.operands])
    return f"{made.get_reference()} = select {flags}{operands}"


def _phi(made: Any) -> str:
    flags = "".join([f"{flag} " for flag in made.flags])
    coming = ", ".join([f"[{x.get_reference()}, {block.get_reference()}]" for x, block in made.incomings])
    return f"{made.get_reference()} = phi {flags}{made.type} {coming}"


def _call(made: Any) -> str:
    if made.tail or made.cconv or made.fastmath or made.arg_attributes or made.callee.function_type.var_arg:
        return str(made)
    result = made.callee.function_type.return_type
    operands = ", ".join([f"{x.type} {x.get_reference()}" for x in made.operands[1:]])
    attributes = "".join([f" {attribute}" for attribute in made.attributes])
    start = "" if isinstance(result, ir.VoidType) else f"{made.get_reference()} = "
    return f"{start}call {result} {made.callee.get_reference()}({operands}){attributes}"


def _jump(made: Any) -> str:
    return "br " + ", ".join([f"{x.type} {x.get_reference()}" for x in made.operands])


_WRITTEN: dict[type, Callable[[Any], str]] = {
    instructions.Instruction: _operation,
    instructions.ICMPInstr: _comparison,
    instructions.FCMPInstr: _comparison,
    instructions.CastInstr: _cast,
    instructions.LoadInstr: _load,
    instructions.StoreInstr: _store,
    instructions.GEPInstr: _address,
    instructions.ExtractElement: _lanes,
    instructions.InsertElement: _lanes,
    instructions.ShuffleVector: _lanes,
    instructions.SelectInstr: _choice,
    instructions.PhiInstr: _phi,
    instructions.CallInstr: _call,
    instructions.Branch: _jump,
    instructions.ConditionalBranch: _jump,
}

__all__ = ["settle", "text_of"]
