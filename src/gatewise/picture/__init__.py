"""The picture of a circuit: what is drawn (``scene``), where (``layout``), and how (``svg``, ``html``, ``text``)."""
