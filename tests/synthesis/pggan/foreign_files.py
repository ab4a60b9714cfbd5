"""Builds checkpoint files as the other implementations write them, with known random weights."""

from __future__ import annotations

import itertools
import pickle
import sys
import types
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def fake_class(module, name):
    """A class under the name that the implementation's pickles carry."""
    parts = module.split(".")
    made = []
    for i in range(len(parts)):
        path = ".".join(parts[: i + 1])
        if path not in sys.modules:
            sys.modules[path] = types.ModuleType(path)
            made.append(path)
    kind = type(name, (), {"__module__": module})
    setattr(sys.modules[module], name, kind)
    try:
        yield kind
    finally:
        for path in made:
            del sys.modules[path]


def layer(state, name, shape, rng):
    state[f"{name}.weight"] = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
    state[f"{name}.bias"] = torch.from_numpy(rng.standard_normal(shape[0]).astype(np.float32))


def cxr_state(channels, latent=16, colours=3, seed=0, prefixes=("generator.", "gen_shadow.")):
    rng = np.random.default_rng(seed)
    state = OrderedDict()
    levels = len(channels)
    for prefix in prefixes:
        g = OrderedDict()
        for name in ("current_size", "current_depth", "alpha"):
            g[name] = torch.tensor(0)
        layer(g, "latent_linear.0.module", (16 * channels[0], latent), rng)
        layer(g, "init_conv.0.module", (channels[0], channels[0], 3, 3), rng)
        for i in range(levels - 1):
            a, b = channels[i], channels[i + 1]
            layer(g, f"ScaleBlocks.{i}.convolv.0.module", (b, a, 3, 3), rng)
            layer(g, f"ScaleBlocks.{i}.convolv.3.module", (b, b, 3, 3), rng)
        for i in range(levels):
            layer(g, f"toRGB.{i}.module", (colours, channels[i], 1, 1), rng)
        state.update({prefix + k: v for k, v in g.items()})
    d = OrderedDict(current_size=torch.tensor(0), current_depth=torch.tensor(0))
    d["alpha"] = torch.tensor(0)
    for i in range(levels):
        layer(d, f"fromRGB.{i}.module", (channels[i], colours, 1, 1), rng)
    for i in range(levels - 1):
        narrow, wide = channels[i + 1], channels[i]
        theirs = levels - 2 - i
        layer(d, f"ScaleBlocks.{theirs}.convolv.0.module", (wide, narrow, 3, 3), rng)
        layer(d, f"ScaleBlocks.{theirs}.convolv.2.module", (wide, wide, 3, 3), rng)
    layer(d, "DecisionBlock.0.module", (channels[0], channels[0] + 1, 3, 3), rng)
    layer(d, "DecisionBlock.2.module", (channels[0], channels[0], 4, 4), rng)
    layer(d, "DecisionLinear.module", (1, channels[0]), rng)
    state.update({f"discriminator.{k}": v for k, v in d.items()})
    return state


def cxr_counters(state):
    for name in ("img_size", "scale", "alpha", "total_iter", "current_iter", "iter_images_seen"):
        state[name] = torch.tensor(0)
    state["num_images_seen"] = torch.tensor(14_000_000)
    state["fixed_z"] = torch.zeros(16, 16)
    return state


def zoo_states(channels, latent=16, colours=3, seed=0):
    rng = np.random.default_rng(seed)
    levels = len(channels)
    generators = []
    for _ in range(2):
        g = OrderedDict()
        layer(g, "formatLayer.module", (16 * channels[0], latent), rng)
        layer(g, "groupScale0.0.module", (channels[0], channels[0], 3, 3), rng)
        for i in range(levels - 1):
            a, b = channels[i], channels[i + 1]
            layer(g, f"scaleLayers.{i}.0.module", (b, a, 3, 3), rng)
            layer(g, f"scaleLayers.{i}.1.module", (b, b, 3, 3), rng)
        for i in range(levels):
            layer(g, f"toRGBLayers.{i}.module", (colours, channels[i], 1, 1), rng)
        generators.append(g)
    d = OrderedDict()
    for i in range(levels):
        layer(d, f"fromRGBLayers.{i}.module", (channels[i], colours, 1, 1), rng)
    for i in range(levels - 1):
        wide, narrow = channels[i], channels[i + 1]
        layer(d, f"scaleLayers.{i}.0.module", (narrow, narrow, 3, 3), rng)
        layer(d, f"scaleLayers.{i}.1.module", (wide, narrow, 3, 3), rng)
    layer(d, "groupScaleZero.0.module", (channels[0], channels[0] + 1, 3, 3), rng)
    layer(d, "groupScaleZero.1.module", (channels[0], 16 * channels[0]), rng)
    layer(d, "decisionLayer.module", (1, channels[0]), rng)
    return {"netG": generators[0], "avgG": generators[1], "netD": d}


def zoo_file(path, states, channels, latent=16, *, alpha=0.0, old_names=False, **settings):
    with fake_class("models.utils.config", "BaseConfig") as kind:
        config = kind()
        config.depthScale0, config.depthOtherScales = channels[0], list(channels[1:])
        config.latentVectorDim, config.alpha = latent, alpha
        config.leakyReluLeak, config.perChannelNormalization = 0.2, True
        config.miniBatchStdDev, config.equalizedlR = True, True
        config.lossCriterion, config.attribKeysOrder = "WGANGP", None
        vars(config).update(settings)
        if old_names:
            states = {
                name: OrderedDict((k.replace(".module.", "."), v) for k, v in state.items())
                for name, state in states.items()
            }
        torch.save({"config": config, **states}, path)


def tf_variables(channels, latent=16, colours=3, seed=0, lod=0.0):
    rng = np.random.default_rng(seed)
    levels = len(channels)

    def add(store, name, shape, bias):
        store[f"{name}/weight"] = rng.standard_normal(shape).astype(np.float32)
        store[f"{name}/bias"] = rng.standard_normal(bias).astype(np.float32)

    g = OrderedDict(lod=np.float32(lod))
    add(g, "4x4/Dense", (latent, 16 * channels[0]), channels[0])
    # The dense layer's bias is per channel: it is added after reshaping.
    add(g, "4x4/Conv", (3, 3, channels[0], channels[0]), channels[0])
    for i in range(levels - 1):
        size, a, b = 8 * 2**i, channels[i], channels[i + 1]
        add(g, f"{size}x{size}/Conv0_up", (3, 3, b, a), b)
        add(g, f"{size}x{size}/Conv1", (3, 3, b, b), b)
    for i in range(levels):
        add(g, f"ToRGB_lod{levels - 1 - i}", (1, 1, channels[i], colours), colours)
    d = OrderedDict(lod=np.float32(lod))
    for i in range(levels):
        add(d, f"FromRGB_lod{levels - 1 - i}", (1, 1, colours, channels[i]), channels[i])
    for i in range(levels - 1):
        size, a, b = 8 * 2**i, channels[i], channels[i + 1]
        add(d, f"{size}x{size}/Conv0", (3, 3, b, b), b)
        add(d, f"{size}x{size}/Conv1_down", (3, 3, b, a), a)
    add(d, "4x4/Conv", (3, 3, channels[0] + 1, channels[0]), channels[0])
    add(d, "4x4/Dense0", (16 * channels[0], channels[0]), channels[0])
    add(d, "4x4/Dense1", (channels[0], 1), 1)
    return g, d


def tf_file(path, networks, *, source="raise SystemExit('the embedded source ran')", protocol=2):
    """networks: [(function, variables, static_kwargs)] as (G, D, Gs)."""
    with fake_class("tfutil", "Network") as kind:

        def network(function, variables, options):
            made = kind()
            made.__dict__.update(
                version=2,
                name=function,
                static_kwargs=options,
                build_module_src=source,
                build_func_name=function,
                variables=list(variables.items()),
            )
            return made

        path.write_bytes(pickle.dumps(tuple(network(*n) for n in networks), protocol=protocol))


def theano_parameters(channels, latent=16, colours=1, seed=0):
    rng = np.random.default_rng(seed)
    values = []

    def add(shape, outputs):
        values.append(rng.standard_normal(shape).astype(np.float32))
        values.append(np.float32(rng.uniform(0.05, 0.5)))
        values.append(rng.standard_normal(outputs).astype(np.float32))

    add((channels[0], latent, 4, 4), channels[0])
    add((channels[0], channels[0], 3, 3), channels[0])
    for a, b in itertools.pairwise(channels):
        add((b, a, 3, 3), b)
        add((b, b, 3, 3), b)
    for c in reversed(channels):
        add((c, colours), colours)
    return values


def theano_file(path, parameters, resolution):
    with fake_class("network", "Network") as kind:
        made = kind()
        made.__dict__.update(
            build_func_spec={"func": "G_paper", "resolution": resolution, "num_channels": 1},
            build_module_src="raise SystemExit('the embedded source ran')",
            param_values=parameters,
            toplevel_params={"cur_lod": np.float32(0.0)},
        )
        path.write_bytes(pickle.dumps((made,), protocol=2))
