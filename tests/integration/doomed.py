"""An application whose import ends the process for as long as the file named in DOOM is there."""

from __future__ import annotations

import os

from tests.integration.apps import misbehaving

if os.path.exists(os.environ["DOOM"]):
    os.write(2, b"doomed from the start\n")
    os._exit(3)

application = misbehaving
