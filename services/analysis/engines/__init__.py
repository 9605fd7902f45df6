"""Analysis engines. They implement :class:`services.analysis.service.Engine`."""
