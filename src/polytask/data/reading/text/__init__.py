"""Read text files: decompress, decode, cut into cells, and infer the types of columns."""
