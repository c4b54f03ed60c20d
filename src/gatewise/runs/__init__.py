"""Trainings, watched: what a loop reports is recorded in a small file, and shown while it runs and afterwards.

`recorder` holds :func:`gatewise.live`, which a training loop calls; `history` how a long series is kept short; `file`
the SQLite file and its schema; `images` arrays as small pictures; `reading` what a page asks of a file; `page` the
page; `application` its web side.
"""
