"""Analysis engines behind one Protocol (:class:`services.analysis.service.Engine`)."""
