"""Second derivatives: Newton's method against gradient descent on Rosenbrock's curved valley.

The function is H. H. Rosenbrock's, "An automatic method for finding the greatest or least value of a function", The
Computer Journal 3 (1960): its minimum, 0, is at (1, 1).

Run it: python examples/newton.py
"""

import numpy as np

import gatewise as gw

START = np.array([-1.2, 1.0])


def valley(x):
    """(1 - x0)² + 100 (x1 - x0²)²."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def newton(x, steps):
    """Step to the minimum of the parabola that touches the function at x."""
    gradient, hessian = gw.grad(valley), gw.hessian(valley)
    for _ in range(steps):
        x = x - np.linalg.solve(hessian(x), gradient(x))
        yield x


def descent(x, steps, rate=1e-3):
    """Step downhill."""
    gradient = gw.grad(valley)
    for _ in range(steps):
        x = x - rate * gradient(x)
        yield x


def main():
    """Compare the two, and show a product of the Hessian with a vector that needs no Hessian."""
    print("Newton's method")
    for number, x in enumerate(newton(START, 6), 1):
        print(f"  step {number}  x = ({x[0]: .6f}, {x[1]: .6f})  f = {valley(x):.2e}")
    *_, x = descent(START, 2000)
    print(f"Gradient descent\n  step 2000  x = ({x[0]: .6f}, {x[1]: .6f})  f = {valley(x):.2e}")
    v = np.array([1.0, 0.0])
    print("Hessian at the start\n ", np.array2string(gw.hessian(valley)(START), prefix="  "))
    print("Its product with (1, 0), without forming it\n ", gw.hvp(valley, START, v))


if __name__ == "__main__":
    main()
