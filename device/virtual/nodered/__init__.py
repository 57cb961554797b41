"""The virtual camera's Node-RED: the real program, with nodes that talk to its services.

- ``runtime``: one running Node-RED, its start, its end, and what it said when it failed.
- ``installation``: Node-RED from npm, once, in the user's cache; ``nodejs``: what runs it.
- ``settings``: its folder, settings file and first flows.
- ``release/``: what is installed, pinned with hashes: Node-RED, and the nodes from npm that a new
  camera's dashboard needs.
- ``preload.js``: leads flows from the camera's ports to those of the virtual camera.
- ``nodes/``: stand-ins for the camera's nodes, with the same properties and the same messages to
  the inference service. ``common`` holds ``sscma``, ``stream`` and what the others share; a folder
  for each version of Seeed's package the ``camera``, ``model``, ``preview`` and ``save`` nodes, and
  from 0.3 on ``capture``; ``recamera`` the lamp, the battery, the gimbal and its CAN bus.

Made after Seeed-Studio/node-red-contrib-sscma 0.2.7 (bb484f3) and node-red-contrib-nodes 0.3.6
(1815fd4), their protocol and their properties; those nodes themselves run here just as well. The
previews of 0.3.6 have no server side: the browser reads the websockets of the page's host, 8080 for
a camera's video and 8090 for a model's results. Not played: the palette manager, the node's picker
of preset models and its upload (they speak to port 80 from the browser).
"""
