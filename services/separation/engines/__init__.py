"""Separation engines. Each declares its models and implements :class:`services.separation.service.Engine`.

Only ``demucs`` imports PyTorch, when it loads a model.
"""
