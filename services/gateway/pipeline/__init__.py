"""The Audio Pipeline dialect: plain objects, ``{"detail"}``, naive UTC times."""

from services.gateway.pipeline.dialect import PIPELINE
from services.gateway.pipeline.routes import JobView, pipeline_health_routes, pipeline_job_view, pipeline_routes

__all__ = ["PIPELINE", "JobView", "pipeline_health_routes", "pipeline_job_view", "pipeline_routes"]
