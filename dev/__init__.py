"""Programs for development: benchmarks, the training of the model ``small``, and generators of documents and stubs."""
