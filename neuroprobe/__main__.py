"""``python -m neuroprobe`` is the command ``neuroprobe``."""

from neuroprobe.cli import app

app(prog_name="neuroprobe")
