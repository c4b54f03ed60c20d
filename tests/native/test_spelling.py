"""The text of modules."""

import gc

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

import gatewise as gw
from gatewise.native import build, compiled
from gatewise.native.machine import machine_code
from gatewise.native.spelling import settle, text_of

X = np.linspace(0.1, 1.0, 70).reshape(7, 10)
CASES = {
    "elementwise": lambda: gw.compile(gw.grad(lambda x: np.sum(np.tanh(x) * np.exp(-x))))(X),
    "product": lambda: gw.compile(lambda x: np.max(x @ x.T, axis=0))(X.astype(np.float32)),
    "index": lambda: gw.compile(lambda x, i: np.cumsum(x[i], axis=1))(X, np.array([3, 1, 1])),
    "loop": lambda: gw.compile(gw.grad(lambda x: gw.scan(lambda s, _: (np.sin(s), None), x, None, length=9)[0]))(0.5),
    "rare": lambda: gw.compile(lambda x: np.sin(x) // 0.1 + np.floor(x).astype(int) % 3)(1e9 * X),
}


@pytest.mark.parametrize("case", CASES)
def test_the_text_says_what_llvmlites_says(case, monkeypatch):
    texts = []

    def both(module):
        texts.append((text_of(module), str(module)))
        for function in module.functions:
            settle(function)
        assert text_of(module) == texts[-1][0]
        return texts[-1][0]

    monkeypatch.setattr(build, "settle", lambda function: None)  # or both would be our text
    monkeypatch.setattr(build, "text_of", both)
    CASES[case]()
    for ours, theirs in texts:
        assert str(llvm.parse_assembly(ours)) == str(llvm.parse_assembly(theirs))
    assert texts


@pytest.mark.parametrize("case", CASES)
def test_instructions_are_gone_before_llvm_begins(case, monkeypatch):
    left = []

    def counted(text, *how):
        there = sum(issubclass(type(found), ir.Instruction) for found in gc.get_objects())
        left.append(there / text.count("\n"))
        return machine_code(text, *how)

    monkeypatch.setattr(compiled, "machine_code", counted)
    CASES[case]()  # the garbage collector is off while functions are compiled
    assert left
    assert max(left) < 0.1  # some point at each other in other ways


def test_what_is_not_written_here_llvmlite_writes():
    module = ir.Module()
    kind = ir.FunctionType(ir.IntType(64), [ir.PointerType(), ir.IntType(64)])
    function = ir.Function(module, kind, "exchange")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    place, number = function.args
    with builder.if_then(builder.icmp_signed("<", number, ir.Constant(ir.IntType(64), 3)), likely=True):
        builder.atomic_rmw("add", place, number, "seq_cst")
    builder.ret(builder.sub(number, number, flags=("nsw",)))
    assert str(llvm.parse_assembly(text_of(module))) == str(llvm.parse_assembly(str(module)))
    assert "atomicrmw add" in text_of(module)
    assert "!prof" in text_of(module)
