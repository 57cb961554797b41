"""The camera's ``sscma-model``, played on the TPU simulator.

One module a step: ``factory`` (which family is this model), ``letterbox``,
``families`` (one file a family), ``results``, ``drawing``, ``main``. The arithmetic is
that of Seeed-Studio/SSCMA-Micro ``sscma/core`` and of
``solutions/sscma-model/main/main.cpp`` in Seeed-Studio/sscma-example-sg200x, oddities
included: what the camera misreads is misread here. Imports stay light (numpy and
pillow): it starts for every picture.
"""
