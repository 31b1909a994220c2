"""The explorer as a web page: `server` serves it with Voila, `page` is what a visitor's kernel shows."""

from .server import app

__all__ = ["app"]
