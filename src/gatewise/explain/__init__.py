"""The gradient debugger: is a gradient right, and if not, which gate is responsible?"""
