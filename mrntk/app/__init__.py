"""The explorer as a web page for many visitors: `server` serves it, `pool` and `worker` compute, static/ is what browsers get."""

from .server import app

__all__ = ["app"]
