"""Whether a browser that is opened here would be seen."""

import os
import sys


def can_show_browser(environment=os.environ, platform: str = sys.platform) -> bool:
    """Not over SSH, and not on a Linux without a display."""
    if "SSH_CONNECTION" in environment:
        return False
    return platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
