"""Samplers: how many rows of each source a step uses."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "sampler",
        "proportional",
        "polytask.data.sampling.proportional_sampler:ProportionalSampler",
        "a fixed number of rows of every source per step, in proportion to its size",
        display="proportional sampling",
    ),
    ComponentSpec(
        "sampler",
        "temperature",
        "polytask.data.sampling.source_mixing:TemperatureSampler",
        "every row from a random source, with a probability proportional to its size to the power 1/T",
        display="temperature sampling",
        paper="Arivazhagan et al., arXiv 1907.05019",
    ),
    ComponentSpec(
        "sampler",
        "uniform",
        "polytask.data.sampling.source_mixing:UniformSampler",
        "every row from a random source, with equal probabilities",
        display="uniform sampling",
    ),
    ComponentSpec(
        "sampler",
        "round-robin",
        "polytask.data.sampling.source_mixing:RoundRobinSampler",
        "one source per step, in turn",
        display="round-robin sampling",
    ),
)
