"""Progressively grown GANs for radiographs (Karras, Aila, Laine and Lehtinen 2018).

The library side of the synthesis room: networks, growth schedule, training, sampling and checkpoint
formats. It knows no Django, so it serves a notebook as well as a Celery worker.

Start at ``config.NetworkConfig`` (the network's settings), ``networks`` (shapes beside the code),
``training.train`` (one call, callbacks for progress and cancellation), ``checkpoints`` (our own
format and every format a user of this field has) and ``sampling.sample`` (reproducible images).
"""
