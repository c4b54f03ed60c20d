"""The local page on which an expression, or the owner's own function, becomes a circuit: ``gatewise serve``.

`application` are its routes, `worker` the process that computes, under limits, `answering` what runs in it, `gallery`
the circuits that are shown to begin with, `page` the browser's side.
"""
