"""Networks small enough for the course to follow every step of them, by NumPy alone; tests hold them to the library."""
