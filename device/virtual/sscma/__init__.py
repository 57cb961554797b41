"""The camera's ``sscma-model``, played on the TPU simulator.

One module a step: ``factory`` (which family is this model), ``letterbox``,
``input_image``, ``families`` (one file a family), ``results``, ``drawing``, ``main``. The
arithmetic is that of Seeed-Studio/SSCMA-Micro ``sscma/core`` and of
``solutions/sscma-model/main/main.cpp`` in Seeed-Studio/sscma-example-sg200x, oddities
included: what the camera misreads is misread here. Imports stay light (numpy and
pillow): it starts for every picture.

Decoders give the bits that this code gives when GCC 12 compiles it with -O2 for riscv64.
The camera's own build is by T-Head's GCC 10.2 for the C906, whose vector unit may add in
another order. Memory that the camera reads behind a tensor, or has never set, is zero here.
"""
