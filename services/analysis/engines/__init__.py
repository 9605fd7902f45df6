"""Analysis engines. They implement :class:`soundwright.services.analysis.service.Engine`."""
