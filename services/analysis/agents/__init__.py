"""Agents: specialists that answer questions about a caller's music with tools over the platform's own services.

``orchestrator`` takes a question, picks a specialist and lets a language model (``llm``) or the rules (``planner``) use
``tools``. What the tools know of music is in modules of pure rules: ``camelot``, ``set_order``, ``loudness_advice``,
``cue_points``, ``wishes``.
"""
