"""Networks whose trained weights come in a package or from a hub."""
