"""Pure functions from responses to indices; one public call a file, and nothing is drawn here."""
