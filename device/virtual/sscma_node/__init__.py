"""``sscma-node``, the camera's service behind its Node-RED nodes, spoken to over MQTT.

Sources: ``solutions/sscma-node/main`` and ``docs/sscma-node-protocol.md`` in
sscma-example-sg200x at c705d18, SSCMA-Micro at 60e2ede. Where document and code differ the
code is followed: its message types are one lower than the document's.

What differs from the camera, on purpose: a stopped dependency that comes back starts its
dependents again (the camera keeps a pointer to what it deleted); objects are tracked by the
overlap of their boxes alone (``tracker``); there is no H.264, so the ``stream`` node serves
nothing, ``save`` writes pictures and no videos, and port 8080 is closed; there is no sound.
"""
