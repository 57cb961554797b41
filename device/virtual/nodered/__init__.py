"""The virtual camera's Node-RED: the real program, with nodes that talk to its services.

- ``runtime``: one running Node-RED, its start, its end, and what it said when it failed.
- ``installation``: Node-RED from npm, once, in the user's cache; ``nodejs``: what runs it.
- ``settings``: its folder, settings file and first flows.
- ``release/``: what is installed, pinned with hashes.
- ``preload.js``: leads flows from the camera's ports to those of the virtual camera.
- ``nodes/``: stand-ins for the camera's ``sscma``, ``camera``, ``model``, ``preview``, ``stream``
  and ``save`` nodes, with the same properties and the same messages to the inference service.

Made after Seeed-Studio/node-red-contrib-sscma 0.2.7 (bb484f3), its protocol and its properties;
those nodes themselves run here just as well. Of newer firmware the additional properties are kept,
and nothing is done with them. Not played: the palette manager, the node's picker of preset models
and its upload (they speak to port 80 from the browser).
"""
