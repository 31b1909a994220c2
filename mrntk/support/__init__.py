"""What everything else stands on: errors, precision, files, downloads, cards, provenance, style."""
