"""Generation engines behind one Protocol (:class:`services.generation.service.Engine`)."""
