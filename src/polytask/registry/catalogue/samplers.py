"""The samplers: how often a step sees which source."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "sampler",
        "proportional",
        "polytask.data.sampling.proportional_sampler:ProportionalSampler",
        "every source gives a fixed number of rows to each step, in proportion to its size",
        display="proportional sampling",
    ),
    ComponentSpec(
        "sampler",
        "temperature",
        "polytask.data.sampling.source_mixing:TemperatureSampler",
        "every row is drawn from a source with a probability that grows with its size to the power 1/T",
        display="temperature sampling",
        paper="Arivazhagan et al., arXiv 1907.05019",
    ),
    ComponentSpec(
        "sampler",
        "uniform",
        "polytask.data.sampling.source_mixing:UniformSampler",
        "every row is drawn from all sources with the same probability",
        display="uniform sampling",
    ),
    ComponentSpec(
        "sampler",
        "round-robin",
        "polytask.data.sampling.source_mixing:RoundRobinSampler",
        "one source after the other, a step each",
        display="round-robin sampling",
    ),
)
