"""What somebody typed: expressions, arguments and names of functions, read, checked, and run."""
