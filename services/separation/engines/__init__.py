"""Separation engines. Each declares its models and implements :class:`soundwright.services.separation.service.Engine`.

``networks`` holds what engines with neural networks share. They import PyTorch when they load a model.
"""
