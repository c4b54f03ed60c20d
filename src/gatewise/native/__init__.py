"""The native compiler: a circuit as one program of machine code, through LLVM."""
