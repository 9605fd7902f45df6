"""Agents: specialists that answer questions about a caller's music with tools over the platform's services.

``orchestrator`` takes a question, chooses a specialist, and lets a language model (``llm``) or the rules (``planner``)
use the ``tools``. The musical rules behind the tools are in ``camelot``, ``set_order``, ``loudness_advice`` and
``cue_points``. ``requested_work`` decides whether a message asks for work.
"""
