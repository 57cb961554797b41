"""A virtual reCamera: a real SSH server, the camera's files, ``sscma-model``, its services.

It lets a deployment be tried with no hardware. It needs no root and no container, and
listens on the loopback only. Start it with the folder of this package on ``PYTHONPATH``:

    python -m virtual serve --dir D --tpu-libraries P1:P2

What it plays, each as far as the public sources of the camera's software show it, of the
firmware named by ``--firmware`` (``releases``):

- SSH: user ``recamera`` with the camera's password or a key of
  ``~/.ssh/authorized_keys``; SFTP, scp and commands. A command gets no login profile,
  so ``LD_LIBRARY_PATH`` is missing until the caller sets it, as on the camera.
- Files, under ``D/root``: ``userdata/Models``, ``home/recamera``, ``mnt/system/lib``
  with the TPU library. Paths are real ones: clients name ``D/root/...`` in full, as
  the settings file ``D/recam.toml`` does.
- ``sudo``, asking for the camera's password; programs run by it count as root.
- ``sscma-model``: loads the model in the TPU simulator, chooses the model family and
  decodes by the camera's own rules and arithmetic, prints its lines and draws its picture.
  A model that is cut short makes it abort, and what it printed is lost; one with a byte
  changed runs. A RISC-V program that a client uploaded and runs is played by this same
  ``sscma-model``.
- ``supervisor``: the calls of its HTTP API about models, the device and login.
- ``sscma-node``: the camera, model, save and stream nodes over MQTT, behind a real
  mosquitto where one is installed and an embedded broker elsewhere. The camera sees the
  pictures of a folder in turn; the model runs on each in the simulator, or by its emulated
  network (``--emulated``), and its results are sent as events, over MQTT and to the
  preview websocket. What crashes the camera's service ends this one; the supervisor
  starts it again some seconds later.
- Node-RED 4.1, a real one, with stand-ins for the camera's nodes that draw boxes in the
  editor, or Seeed's own nodes from a clone (``--nodes``).

What it does not play:

- A jail for commands. SFTP and scp reach nothing outside ``D/root``, but a command
  runs as the user who started the server, with the host's tools, and can do whatever
  that user can. Give the password to nobody you would not give a shell.
- Limits of memory, the read-only root file system, busybox's differences from the
  host's tools, a reboot, and the camera's speed: the simulator takes seconds for what
  the TPU does in milliseconds, an emulated network tens of them, and the printed times
  are those.
- Processes that outlive their session: on the camera they may, here everything
  that a command started ends with its channel.
- Modes that scp sends along without ``-p``: uploaded files are 0644 here.
- Video and sound: no RTSP, no recordings, no sound; the video of port 8080 only where the
  package ``av`` is installed; and the camera's
  own source is pictures only.
- The rest of the HTTP API and the web page. By mDNS it is announced on the loopback only,
  and only when asked (``--announce``).
"""
