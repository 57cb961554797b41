"""``sscma-node``, the camera's service behind its Node-RED nodes, spoken to over MQTT.

Sources: ``solutions/sscma-node/main`` and ``docs/sscma-node-protocol.md`` in
sscma-example-sg200x at c705d18, SSCMA-Micro at 60e2ede. Where document and code differ the
code is followed: its message types are one lower than the document's.

What differs from the camera, on purpose: a stopped dependency that comes back starts its
dependents again (the camera keeps a pointer to what it deleted); the ``stream`` node serves
nothing, ``save`` writes pictures and no videos; the video of port 8080 is there only where the
package ``av`` is installed; there is no sound.
"""
