"""Songs with known stems, tempo, beats and key, rendered by code, and the training of a network on them."""
