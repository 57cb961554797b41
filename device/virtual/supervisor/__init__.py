"""``supervisor``, the camera's HTTP API on port 80.

Source: ``solutions/supervisor/main`` and its ``main.sh`` in sscma-example-sg200x at c705d18.
Played are the calls about models, the device, its services and login; any other path is
answered as the camera answers what it does not know, and ``/`` with a line of text instead
of the web page.
"""
