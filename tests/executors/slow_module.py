"""Takes a moment to import."""

import time

time.sleep(0.7)
LAST = 0.5
