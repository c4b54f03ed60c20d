"""The terminal's side of the picture that needs a whole screen: `stepping` is the application of ``gatewise step``."""
