"""Pages served to this machine's own browser: who may ask (`guard`), and the server (`server`)."""
