"""The Audio Pipeline dialect."""

from soundwright.services.gateway.dialects.pipeline.dialect import PIPELINE
from soundwright.services.gateway.dialects.pipeline.routes import (
    JobView,
    pipeline_job_view,
    pipeline_only_routes,
    pipeline_routes,
)

__all__ = ["PIPELINE", "JobView", "pipeline_job_view", "pipeline_only_routes", "pipeline_routes"]
