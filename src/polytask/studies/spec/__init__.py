"""The configuration of a study: arms, options, presets."""
